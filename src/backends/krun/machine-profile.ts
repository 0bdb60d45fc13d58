/**
 * The container around a microVM: it confines the monitor, which is the container's only process on the host.
 *
 * Scope: rights, limits and annotations of the monitor; size of the machine; what of an image must not reach the runtime.
 * Out of scope: what happens inside the guest, which has a kernel of its own. libkrun takes guest and monitor for one security context,
 * so every limit here is a wall for a guest that broke into its monitor.
 * Fail-safe direction: everything that the file server of the monitor does not need is dropped.
 */
import type { BottlePlan, SeedFile } from '../../core/index.ts';
import { PREPARE_FILE } from '../../exec-channel/index.ts';
import { allowedFiles, type ContainerProfile } from '../oci/index.ts';
import { CLOSE_PROC, closedProcDifferences } from './closed-proc.ts';
import { GUEST_SCRIPT, STOP_SCRIPT } from './guest-script.ts';

/** What the file server needs to act as the users of the guest; with less, users other than root can make no files. */
const MONITOR_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID'];
/** Memory of the monitor itself, beside that of the machine. */
export const MONITOR_MEMORY_MIB = 256;
/** Threads of the monitor: one for each processor and device, some for the file server. */
const MONITOR_THREADS = 256;
/** The monitor holds one descriptor for each file that the guest knows. */
const MONITOR_FILES = 1_048_576;
/** crun ignores less. */
export const SMALLEST_MEMORY_MIB = 160;
export const MOST_PROCESSORS = 16;

export const MACHINE_PROFILE: ContainerProfile = {
  capabilities: MONITOR_CAPABILITIES,
  // the monitor ignores TERM; this one it types on the console of the guest
  stopSignal: 'SIGINT',
  noNewPrivileges: () => true,
  annotations: (plan) => Object.fromEntries(Object.entries(sizeOf(plan)).map(([name, value]) => [`krun.${name}`, String(value)])),
  limits: ({ spec }, host) => ({
    memoryMiB: spec.limits.memoryMiB + MONITOR_MEMORY_MIB,
    cpus: spec.limits.cpus,
    pids: MONITOR_THREADS,
    files: allowedFiles(MONITOR_FILES, host),
  }),
  provesItself: true,
  refusedFiles: ['/krun-sev.json'],
  hooks: [CLOSE_PROC],
  madeDifferences: closedProcDifferences,
  stopScript: STOP_SCRIPT,
  seeds: machineSeeds,
};

/** As crun spells it, in annotations and in `/.krun_vm.json`. */
function sizeOf({ spec }: BottlePlan): { readonly cpus: number; readonly ram_mib: number } {
  return { cpus: Math.ceil(spec.limits.cpus), ram_mib: spec.limits.memoryMiB };
}

/** An image may bring a `/.krun_vm.json` that asks for another kernel; terok's own stands in its place. */
function machineSeeds(plan: BottlePlan): readonly SeedFile[] {
  const { pids, files } = plan.spec.limits;
  const size = `pids=${Math.trunc(pids)}\nfiles=${Math.trunc(files)}\nslug=${plan.spec.slug}\n`;
  return [
    { path: '/.krun_vm.json', content: `${JSON.stringify(sizeOf(plan))}\n`, mode: 0o444, owner: 'root' },
    { path: PREPARE_FILE, content: `${size}${GUEST_SCRIPT}`, mode: 0o644, owner: 'root' },
  ];
}
