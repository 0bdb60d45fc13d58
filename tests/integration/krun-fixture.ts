import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll } from 'vitest';
import { KRUN_PATHS } from '../../src/backends/krun/find-krun.ts';
import { createKrunBackend } from '../../src/backends/krun/index.ts';
import { createPodmanHost, type PodmanHost } from '../../src/backends/oci/index.ts';
import { type Bottle, patient, resolvePaths, TerokError } from '../../src/core/index.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';

const paths = resolvePaths();
export const IMAGE = process.env.TEROK_TEST_IMAGE ?? '';

/** Undefined where machines run, otherwise every reason why not; with `TEROK_REQUIRE_KRUN=1` a reason is an error. */
export async function whyNoMachines(): Promise<string | undefined> {
  const report = await createKrunBackend({ paths, env: process.env }).probe();
  if (report.state === 'available') return undefined;
  const reason = `krun cannot be used: ${report.findings.map(({ message }) => message).join(' ')}`;
  if (process.env.TEROK_REQUIRE_KRUN === '1') throw new Error(`TEROK_REQUIRE_KRUN=1, but ${reason}`);
  return reason;
}

export interface Machines {
  readonly under: BackendUnderTest;
  readonly podman: PodmanHost;
  /** Shared by the tests of the group */
  readonly bottle: Bottle;
}

/** Opens the backend and one bottle before the tests of a group, which get them by `take`, and closes both after them. */
export function useMachines(take: (machines: Machines) => void): void {
  let under: BackendUnderTest | undefined;
  let bottle: Bottle | undefined;
  beforeAll(async () => {
    under = await openMachines();
    const podman = await openPodman();
    bottle = await under.launch();
    take({ under, podman, bottle });
  }, patient(120_000));
  afterAll(async () => {
    await bottle?.[Symbol.asyncDispose]();
    await under?.cleanup();
  }, patient(60_000));
}

/** The backend with real sealed networks. */
export async function openMachines(): Promise<BackendUnderTest> {
  const opened = await openPodmanFixture({ freshSlug: () => `krun-${randomBytes(5).toString('hex')}`, create: createKrunBackend });
  if ('unavailable' in opened) throw new Error(opened.unavailable);
  return opened;
}

/** Podman with its own choice of runtime: what a person would look at a bottle with. */
export function openPodman(): Promise<PodmanHost> {
  return createPodmanHost({ env: process.env, runtimeDir: paths.runtime });
}

export interface BareResult {
  /** null where it was ended for taking too long */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `podman --runtime krun run`, without terok: what the traps are shown with. It has no network unless `options` give it one. */
export async function bareMachine(options: readonly string[], words: readonly string[], krun?: string): Promise<BareResult> {
  const network = options.some((option) => option.startsWith('--network')) ? [] : ['--network=none'];
  const size = options.some((option) => option.includes('krun.')) ? [] : bareSize(256);
  return await podmanWith(krun ?? (await runtime()), ['run', '--rm', '--pull=never', ...network, ...size, ...options, IMAGE, ...words]);
}

/** crun with a libkrun before 1.18.1, for what newer ones no longer do; the lab has one. */
export const OLD_LIBKRUN = '/opt/old-libkrun/krun';

export const whyNoOldLibkrun = existsSync(OLD_LIBKRUN) ? undefined : 'there is no libkrun before 1.18.1 here';

export function bareSize(memoryMiB: number): string[] {
  return ['--annotation', 'krun.cpus=1', '--annotation', `krun.ram_mib=${memoryMiB}`];
}

export async function runtime(): Promise<string> {
  for (const candidate of KRUN_PATHS) if (await readFile(candidate).catch(() => undefined)) return candidate;
  throw new TerokError('NOT_FOUND', 'There is no krun here.');
}

export function podmanWith(runtimePath: string, args: readonly string[]): Promise<BareResult> {
  return new Promise((resolve) => {
    const limits = { timeout: patient(15_000), killSignal: 'SIGKILL' as const, maxBuffer: 16 * 1024 * 1024 };
    execFile('podman', ['--runtime', runtimePath, ...args], limits, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, stdout, stderr });
    });
  });
}

/** A field of what Podman says of a bottle's container. */
export async function inspect(podman: PodmanHost, bottle: Bottle, field: string): Promise<string> {
  return (await podman.call('look at the container', ['container', 'inspect', '--format', field, bottle.plan.runtimeName])).trim();
}
