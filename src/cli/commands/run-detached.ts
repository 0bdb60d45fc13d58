import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { ERROR_EXIT_STATUS, type ErrorCode, TerokError } from '../../core/errors.ts';
import { bottleDirs, makePrivateDir, resolvePaths } from '../../core/paths.ts';

/** Set in a process that runs a task in the background for a `terok run --detach` that waits for the task's name. */
const RUNNER = 'TEROK_RUNNER';

/** How much of a failed runner's log becomes part of the error. */
const LOG_TAIL_BYTES = 2000;

export function isRunner(env: NodeJS.ProcessEnv): boolean {
  return env[RUNNER] === '1';
}

interface RunnerInputs {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Whether the prompt comes from standard input */
  readonly readsInput: boolean;
}

/**
 * Starts the same command line in a session of its own and gives the name of its task once the task exists. What the runner
 * prints is kept in `runner.log` beside the task's records.
 */
export async function startRunner({ argv, env, readsInput }: RunnerInputs): Promise<string> {
  const paths = resolvePaths(env);
  const log = path.join(await makePrivateDir(path.join(paths.state, 'runners')), `${randomUUID()}.log`);
  const descriptor = openSync(log, 'wx', 0o600);
  const [script = ''] = process.argv.slice(1);
  const child = spawn(process.execPath, [...process.execArgv, script, ...withoutJson(argv)], {
    detached: true,
    env: { ...env, [RUNNER]: '1' },
    stdio: [readsInput ? 'inherit' : 'ignore', descriptor, descriptor, 'ipc'],
  });
  closeSync(descriptor);
  const slug = await taskNameOf(child, log);
  await rename(log, path.join(bottleDirs(paths, slug).stateDir, 'runner.log'));
  child.disconnect();
  child.unref();
  return slug;
}

/** Called by the runner when its task exists; does nothing in other processes. */
export function reportTask(slug: string, env: NodeJS.ProcessEnv): void {
  if (isRunner(env)) process.send?.({ slug });
}

/** The runner's log is for people; whoever asked for JSON gets it from the process that waits. */
function withoutJson(argv: readonly string[]): string[] {
  const dashes = argv.indexOf('--');
  return argv.filter((word, index) => word !== '--json' || (dashes !== -1 && index > dashes));
}

function taskNameOf(child: ChildProcess, log: string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: { readonly slug: string }) => resolve(message.slug));
    child.once('error', reject);
    child.once('exit', (code) => {
      failureFrom(log, code).then(reject, reject);
    });
  });
}

async function failureFrom(log: string, status: number | null): Promise<TerokError> {
  const text = (await readFile(log, 'utf8')).slice(-LOG_TAIL_BYTES);
  const code = (Object.keys(ERROR_EXIT_STATUS) as ErrorCode[]).find((each) => text.includes(`\ncode: ${each} `));
  const [, message, hint] = /^error: ([\s\S]*?)\n(?:hint: (.*)\n)?code: /m.exec(text) ?? [];
  if (code !== undefined && message !== undefined) {
    await rm(log, { force: true });
    return new TerokError(code, message, hint === undefined ? {} : { hint });
  }
  return new TerokError('RUNTIME_FAILED', `The runner in the background ended with ${status ?? 'a signal'} before its task existed.`, {
    context: { log },
    hint: `Its output is in \`${log}\`.`,
  });
}
