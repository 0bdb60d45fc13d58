import type { ProbeFinding, RunOptions, RunResult } from '../../core/index.ts';
import { isTerokError, messageOf, run, TerokError } from '../../core/index.ts';
import { ApiService } from './api-service.ts';
import { classifyFailure } from './failure.ts';
import { findProgram } from './find-program.ts';
import { commandOf, type HostInputs, type Invocation, type PodmanFacts, prepareInvocation } from './host-facts.ts';
import { findHostProblems } from './host-problems.ts';
import { Libpod } from './libpod.ts';
import { type Machine, readMachine } from './machine.ts';
import { type StreamingPodman, streamPodman } from './stream.ts';

export interface PodmanHostOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Private directory of terok's sockets and namespaces, `paths.runtime` */
  readonly runtimeDir: string;
  /** What the machine is like; read from the kernel by default */
  readonly machine?: Machine;
  /** Absolute path of the OCI runtime; Podman's own choice by default */
  readonly runtime?: string;
  /** Directory of the OCI hooks of every container; Podman's own choice by default */
  readonly hooksDir?: string;
  readonly signal?: AbortSignal;
}

/** Podman as it is started on this machine. */
export interface PodmanHost extends Invocation {
  readonly machine: Machine;
  readonly facts: PodmanFacts;
  /** Private directory of terok's sockets, namespaces and notes about this Podman */
  readonly runtimeDir: string;
  /** The same Podman as a service, for calls that would each start a program */
  readonly libpod: Libpod;
  /** Runs `podman …args`; any exit code is a result */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs `podman …args` and returns stdout; a failure is explained with `action`, a verb phrase */
  call(action: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts `podman …args` and gives its output while it comes */
  stream(args: readonly string[], options?: { readonly signal?: AbortSignal }): StreamingPodman;
}

export type HostExamination =
  | { readonly host: PodmanHost; readonly problems: readonly [] }
  | { readonly problems: readonly [ProbeFinding, ...ProbeFinding[]] };

/**
 * Finds Podman and prepares what it needs here: a private mount namespace on hosts with hybrid cgroups, a private containers.conf
 * where defaults cannot be had. Throws BACKEND_UNAVAILABLE with the reasons where Podman cannot be used.
 */
export async function createPodmanHost(options: PodmanHostOptions): Promise<PodmanHost> {
  const examination = await examinePodmanHost(options);
  if ('host' in examination) return examination.host;
  const [first] = examination.problems;
  throw new TerokError(
    'BACKEND_UNAVAILABLE',
    `Podman cannot be used here: ${examination.problems.map((problem) => problem.message).join(' ')}`,
    {
      context: { findings: examination.problems },
      hint: first.fix,
    },
  );
}

/** As `createPodmanHost`, with every reason as data. Throws only where the call was aborted. */
export async function examinePodmanHost(options: PodmanHostOptions): Promise<HostExamination> {
  const binary = await findProgram('podman', options.env.PATH);
  if (binary === undefined) return { problems: [MISSING] };
  const machine = options.machine ?? (await readMachine());
  const problems = await findHostProblems(machine, options.env);
  const [first, ...others] = problems;
  if (first !== undefined) return { problems: [first, ...others] };
  const { env, runtimeDir, runtime, hooksDir } = options;
  return prepareHost({ env, runtimeDir, machine, binary, runtime, hooksDir }, options.signal);
}

async function prepareHost(inputs: HostInputs, signal: AbortSignal | undefined): Promise<HostExamination> {
  try {
    const { invocation, facts } = await prepareInvocation(inputs, signal === undefined ? {} : { signal });
    const libpod = new Libpod(new ApiService(invocation, inputs.runtimeDir));
    const { machine, runtimeDir } = inputs;
    return { host: makeHost(invocation, { machine, facts, runtimeDir, libpod }), problems: [] };
  } catch (error) {
    signal?.throwIfAborted();
    return { problems: [broken(error)] };
  }
}

function makeHost(invocation: Invocation, parts: Pick<PodmanHost, 'machine' | 'facts' | 'runtimeDir' | 'libpod'>): PodmanHost {
  const runPodman = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    // nsenter changes the working directory, so everything is absolute and starts at the root
    run([...commandOf(invocation), ...args], { cwd: '/', env: invocation.env, ...options });
  return {
    ...invocation,
    ...parts,
    run: runPodman,
    stream: (args, options = {}) => streamPodman(invocation, args, options),
    async call(action, args, options = {}) {
      const result = await runPodman(args, options);
      if (result.exitCode === 0) return result.stdout.toString('utf8');
      if (result.timedOut) throw new TerokError('TIMEOUT', `Podman did not ${action} in time.`, { hint: 'Run `terok doctor`.' });
      throw classifyFailure(action, result.stderr.toString('utf8'), { exitCode: result.exitCode, signal: result.signal });
    },
  };
}

const MISSING: ProbeFinding = {
  code: 'PODMAN_MISSING',
  message: 'No `podman` program was found in PATH.',
  fix: 'Install it, for example with `apt-get install podman crun` (Debian, Ubuntu) or `dnf install podman crun` (Fedora).',
};

/** `terok doctor` shows this very finding, so it is no advice here. */
function broken(error: unknown): ProbeFinding {
  const known = isTerokError(error) ? error : undefined;
  const hint = known?.hint?.includes('terok doctor') === true ? undefined : known?.hint;
  return {
    code: typeof known?.context['finding'] === 'string' ? known.context['finding'] : 'PODMAN_BROKEN',
    message: messageOf(error),
    fix: hint ?? 'Run `podman info` in a shell and repair what it says.',
  };
}
