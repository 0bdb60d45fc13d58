import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { systemCodeOf } from '../../core/index.ts';
import { commandOf, type Invocation } from './host-facts.ts';

export interface StreamingPodman {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Exit code, or undefined where a signal ended it; never rejects */
  readonly exited: Promise<number | undefined>;
  kill(): void;
}

/** Starts `podman …args` for output that is read while it comes: builds, pulls, followed logs. */
export function streamPodman(invocation: Invocation, args: readonly string[], options: { readonly signal?: AbortSignal }): StreamingPodman {
  options.signal?.throwIfAborted();
  const [file = invocation.binary, ...rest] = [...commandOf(invocation), ...args];
  const child = spawn(file, rest, { cwd: '/', env: invocation.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if (systemCodeOf(error) !== 'ESRCH') throw error;
    }
  };
  options.signal?.addEventListener('abort', kill, { once: true });
  const exited = new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('close', (code) => resolve(code ?? undefined));
  }).finally(() => options.signal?.removeEventListener('abort', kill));
  return { stdout: child.stdout, stderr: child.stderr, exited, kill };
}
