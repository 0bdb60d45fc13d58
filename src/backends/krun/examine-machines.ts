import { type CallOptions, type ProbeFinding, type ProbeReport, TerokError } from '../../core/index.ts';
import { examinePodmanHost, type PodmanHost } from '../oci/index.ts';
import { bootProblem } from './boot-probe.ts';
import { writeHooks } from './closed-proc.ts';
import { findKrun, type Krun } from './find-krun.ts';
import { findKvmProblems } from './kvm.ts';
import { describeMachines } from './machine-notes.ts';

export interface MachineInputs {
  readonly env: NodeJS.ProcessEnv;
  /** Private directory of terok's sockets and notes, `paths.runtime` */
  readonly runtimeDir: string;
  /** Where the runtime may be; the places of the system by default */
  readonly krunPaths: readonly string[] | undefined;
}

/** Podman with the runtime that makes machines, or every reason why none runs here. */
export type MachineExamination =
  | { readonly host: PodmanHost; readonly krun: Krun }
  | { readonly findings: readonly [ProbeFinding, ...ProbeFinding[]] };

/** Looks at programs and devices first: a machine is booted only where nothing speaks against it. */
export async function examineMachines(inputs: MachineInputs, options: CallOptions): Promise<MachineExamination> {
  const { env, runtimeDir, krunPaths } = inputs;
  const [found, kvm] = await Promise.all([findKrun(krunPaths), findKvmProblems()]);
  const [first, ...others] = [...('findings' in found ? found.findings : []), ...kvm];
  if (first !== undefined || !('krun' in found)) return { findings: [first ?? UNKNOWN, ...others] };
  const hooksDir = await writeHooks(runtimeDir);
  const examination = await examinePodmanHost({ env, runtimeDir, runtime: found.krun.path, hooksDir, ...options });
  if (!('host' in examination)) return { findings: examination.problems };
  const problem = await bootProblem(examination.host, found.krun, runtimeDir, options);
  return problem === undefined ? { host: examination.host, krun: found.krun } : { findings: [problem] };
}

const UNKNOWN: ProbeFinding = { code: 'KRUN_BROKEN', message: 'krun could not be examined.', fix: 'Run `krun --version` in a shell.' };

export function probeMachines(examination: MachineExamination): ProbeReport {
  if ('host' in examination) {
    const { crun, libkrun, libkrunfw } = examination.krun;
    const version = `crun ${crun}, libkrun ${libkrun}, libkrunfw ${libkrunfw}`;
    return { state: 'available', version, notes: describeMachines(examination.host) };
  }
  const absent = examination.findings.some(({ code }) => code === 'PODMAN_MISSING' || code === 'KRUN_MISSING');
  return { state: absent ? 'absent' : 'broken', findings: examination.findings };
}

/** Throws BACKEND_UNAVAILABLE with every reason. */
export async function openMachineHost(inputs: MachineInputs, options: CallOptions): Promise<PodmanHost> {
  const examination = await examineMachines(inputs, options);
  if ('host' in examination) return examination.host;
  const { findings } = examination;
  throw new TerokError(
    'BACKEND_UNAVAILABLE',
    `The backend \`krun\` cannot be used here: ${findings.map(({ message }) => message).join(' ')}`,
    {
      context: { findings },
      hint: findings[0].fix,
    },
  );
}
