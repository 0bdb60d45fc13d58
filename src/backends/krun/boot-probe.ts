/**
 * Boots one real guest, because nothing less shows that machines run here.
 *
 * Scope: one container without network, image and rights; ended by name, because ending Podman's client ends nothing.
 * Fail-safe direction: a guest that does not say its words in time means that the backend is unusable.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { type CallOptions, ignoreCodes, type ProbeFinding, patient, readStateFile, writeStateFile } from '../../core/index.ts';
import { classifyFailure, type PodmanHost, removeLabelled } from '../oci/index.ts';
import type { Krun } from './find-krun.ts';

const BOOT_MS = 22_000;
/** A failure is looked at again after this time; a success holds until something changes or the host starts anew. */
const FAILURE_HOLDS_MS = 5 * 60_000;
const LABEL = 'terok.probe';
/** A guest that booted looks for this program and says that it is not inside of it. */
const NO_PROGRAM = '/terok-probe';
const BOOTED = /inside the vm/;
const NOT_FOUND = 127;

const verdictSchema = z.strictObject({ key: z.string(), at: z.number(), failure: z.string().nullable() });

/** Undefined where a guest boots; the answer is kept in terok's runtime directory. */
export async function bootProblem(
  host: PodmanHost,
  krun: Krun,
  runtimeDir: string,
  options: CallOptions = {},
): Promise<ProbeFinding | undefined> {
  const file = path.join(runtimeDir, 'krun-probe.json');
  const key = await verdictKey(krun);
  const known = await readStateFile(file, verdictSchema);
  if (known?.key === key && (known.failure === null || Date.now() - known.at < FAILURE_HOLDS_MS)) return toFinding(known.failure);
  const failure = await bootOnce(host, options);
  await writeStateFile(file, { key, at: Date.now(), failure: failure ?? null });
  return toFinding(failure ?? null);
}

function toFinding(failure: string | null): ProbeFinding | undefined {
  if (failure === null) return undefined;
  return {
    code: 'KVM_BOOT_FAILED',
    message: `A machine does not boot here: ${failure}`,
    fix: 'Check that other KVM guests run on this host; until then use the backend `podman`.',
  };
}

async function verdictKey(krun: Krun): Promise<string> {
  const stamps = await Promise.all(
    [krun.path, '/dev/kvm'].map(async (file) => (await ignoreCodes(['ENOENT'], () => stat(file)))?.ctimeMs ?? 0),
  );
  return JSON.stringify([krun, stamps]);
}

async function bootOnce(host: PodmanHost, options: CallOptions): Promise<string | undefined> {
  const rootfs = await mkdtemp(path.join(tmpdir(), 'terok-probe-'));
  const mark = randomBytes(8).toString('hex');
  const isolation = [
    '--network',
    'none',
    '--cap-drop',
    'all',
    '--security-opt',
    'no-new-privileges',
    '--read-only=false',
    '--log-driver',
    'none',
  ];
  const size = ['--annotation', 'krun.cpus=1', '--annotation', 'krun.ram_mib=192', '--ulimit', `nofile=${fileLimit(host)}`];
  try {
    const argv = ['run', '--rm', '--label', `${LABEL}=${mark}`, ...isolation, ...size, '--rootfs', rootfs, NO_PROGRAM];
    const result = await host.run(argv, { ...options, timeoutMs: patient(BOOT_MS) });
    const said = result.stderr.toString('utf8');
    // the words can be lost with a machine that ends at once; a failure of the runtime always says something
    if (BOOTED.test(said) || (result.exitCode === NOT_FOUND && said.trim() === '')) return undefined;
    return result.timedOut
      ? `it said nothing within ${patient(BOOT_MS) / 1000} s.`
      : `${classifyFailure('boot a machine', said).message} (exit code ${result.exitCode ?? result.signal})`;
  } finally {
    await removeLabelled(host, { [LABEL]: mark });
    await rm(rootfs, { recursive: true, force: true });
  }
}

function fileLimit({ machine }: PodmanHost): string {
  const files = machine.mayRaiseLimits ? 65_536 : Math.min(65_536, machine.hardLimits.files);
  return `${files}:${files}`;
}
