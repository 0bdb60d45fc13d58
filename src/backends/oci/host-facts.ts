import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { helperEnvironment, ignoreCodes, messageOf, patient, type RunOptions, run, TerokError, writeStateFile } from '../../core/index.ts';
import { ensureCgroupNamespace } from './cgroup-namespace.ts';
import { defaultConfFiles } from './containers-conf.ts';
import { classifyFailure } from './failure.ts';
import { type ConfInputs, privateConf } from './private-conf.ts';
import { compareVersions, PODMAN_FLOOR } from './quirks.ts';

const factsSchema = z.object({
  version: z.string(),
  rootless: z.boolean(),
  graphRoot: z.string(),
  graphDriver: z.string(),
  runRoot: z.string(),
  cgroupVersion: z.string(),
  cgroupManager: z.string(),
  controllers: z.array(z.string()),
  runtime: z.object({ name: z.string(), path: z.string(), version: z.string() }),
  seccomp: z.boolean(),
});

/** What `podman info` says about this installation. */
export type PodmanFacts = z.infer<typeof factsSchema>;

/** How a program is started so that Podman works on this machine: `[...launcher, ...argv]` with `env`. */
export interface Invocation {
  readonly binary: string;
  /** Options of every call, before its verb */
  readonly globalArguments: readonly string[];
  readonly launcher: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface HostInputs extends ConfInputs {
  readonly binary: string;
  /** Absolute path of the OCI runtime; Podman's own choice where it is absent */
  readonly runtime?: string | undefined;
  /** Directory of the OCI hooks of every container; Podman's own choice where it is absent */
  readonly hooksDir?: string | undefined;
}

const cacheSchema = z.object({ key: z.string(), version: z.string(), facts: factsSchema });
const QUESTION_TIMEOUT_MS = patient(20_000);

/**
 * Prepares the way Podman is started and learns what it can do. `podman info` takes a quarter of a second, so the answer is kept in
 * the runtime directory for as long as Podman and its configuration files stay the same.
 */
export async function prepareInvocation(
  inputs: HostInputs,
  options: Pick<RunOptions, 'signal'> = {},
): Promise<{ invocation: Invocation; facts: PodmanFacts }> {
  const { machine, runtimeDir, binary, env } = inputs;
  const launcher =
    machine.cgroups === 'hybrid' && machine.uid === 0 ? ['nsenter', `--mount=${await ensureCgroupNamespace(runtimeDir)}`, '--'] : [];
  const key = await cacheKey(inputs);
  const globalArguments = [
    ...(inputs.runtime === undefined ? [] : ['--runtime', inputs.runtime]),
    ...(inputs.hooksDir === undefined ? [] : ['--hooks-dir', inputs.hooksDir]),
  ];
  const cacheFile = path.join(
    runtimeDir,
    inputs.runtime === undefined ? 'podman-host.json' : `podman-host-${path.basename(inputs.runtime)}.json`,
  );
  const cached = await readCache(cacheFile);
  const version =
    cached?.key === key
      ? cached.version
      : await askVersion({ binary, globalArguments, launcher, env: helperEnvironment({}, env) }, options);
  if (compareVersions(version, PODMAN_FLOOR) < 0) throw tooOld(version);
  const invocation = { binary, globalArguments, launcher, env: helperEnvironment(await privateConf(inputs, version), env) };
  if (cached?.key === key) return { invocation, facts: cached.facts };
  const facts = await askFacts(invocation, options);
  await writeStateFile(cacheFile, { key, version, facts });
  return { invocation, facts };
}

/** An old Podman is told by what it says of itself: its answer to `podman info` may have another shape. */
function tooOld(version: string): TerokError {
  return new TerokError('BACKEND_UNAVAILABLE', `Podman ${version} is older than ${PODMAN_FLOOR}.`, {
    context: { finding: 'PODMAN_TOO_OLD' },
    hint: `Install Podman ${PODMAN_FLOOR} or newer.`,
  });
}

/** A cache that cannot be read is asked for again: nothing is lost with it. */
async function readCache(file: string): Promise<z.infer<typeof cacheSchema> | undefined> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return cacheSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

async function cacheKey({ binary, runtime, env, machine }: HostInputs): Promise<string> {
  const files = [
    binary,
    ...(runtime === undefined ? [] : [runtime]),
    ...defaultConfFiles(env, machine.uid),
    '/etc/containers/storage.conf',
  ];
  const stamps = await Promise.all(
    files.map(async (file) => {
      const found = await ignoreCodes(['ENOENT', 'EACCES'], () => stat(file));
      return found === undefined ? `${file}:-` : `${file}:${found.mtimeMs}:${found.size}`;
    }),
  );
  const relevant = Object.entries(helperEnvironment({}, env)).filter(([name]) => /^(CONTAINERS_|STORAGE_|XDG_|HOME$|PATH$)/.test(name));
  return JSON.stringify([stamps, relevant, machine]);
}

async function askVersion(invocation: Invocation, options: Pick<RunOptions, 'signal'>): Promise<string> {
  const result = await run([...invocation.launcher, invocation.binary, '--version'], {
    ...options,
    env: invocation.env,
    cwd: '/',
    timeoutMs: QUESTION_TIMEOUT_MS,
  });
  const version = /version (\d+\.\d+\.\d+\S*)/.exec(result.stdout.toString('utf8'))?.[1];
  if (result.exitCode === 0 && version !== undefined) return version;
  throw classifyFailure('say its version', result.stderr.toString('utf8'), { binary: invocation.binary });
}

/** argv of Podman up to its verb. */
export function commandOf({ launcher, binary, globalArguments }: Invocation): string[] {
  return [...launcher, binary, ...globalArguments];
}

const infoSchema = z.object({
  host: z.object({
    cgroupManager: z.string(),
    cgroupVersion: z.string(),
    cgroupControllers: z.array(z.string()).nullish(),
    ociRuntime: z.object({ name: z.string(), path: z.string(), version: z.string() }),
    security: z.object({ rootless: z.boolean(), seccompEnabled: z.boolean() }),
  }),
  store: z.object({ graphRoot: z.string(), graphDriverName: z.string(), runRoot: z.string() }),
  version: z.object({ Version: z.string() }),
});

async function askFacts(invocation: Invocation, options: Pick<RunOptions, 'signal'>): Promise<PodmanFacts> {
  const result = await run([...commandOf(invocation), 'info', '--format', 'json'], {
    ...options,
    env: invocation.env,
    cwd: '/',
    timeoutMs: QUESTION_TIMEOUT_MS,
  });
  if (result.exitCode !== 0)
    throw classifyFailure('describe itself (`podman info`)', result.stderr.toString('utf8'), { binary: invocation.binary });
  try {
    const { host, store, version } = infoSchema.parse(JSON.parse(result.stdout.toString('utf8')));
    return {
      version: version.Version,
      rootless: host.security.rootless,
      graphRoot: store.graphRoot,
      graphDriver: store.graphDriverName,
      runRoot: store.runRoot,
      cgroupVersion: host.cgroupVersion,
      cgroupManager: host.cgroupManager,
      controllers: host.cgroupControllers ?? [],
      runtime: { ...host.ociRuntime, version: host.ociRuntime.version.split('\n')[0] ?? '' },
      seccomp: host.security.seccompEnabled,
    };
  } catch (error) {
    throw new TerokError('BACKEND_UNAVAILABLE', `\`podman info\` answered something that terok does not understand: ${messageOf(error)}`, {
      hint: 'Check that `podman info --format json` works in a shell.',
      cause: error,
    });
  }
}
