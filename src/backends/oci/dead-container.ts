import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { identifyProcess, ignoreCodes } from '../../core/index.ts';
import type { PodmanHost } from './podman-host.ts';

export interface ContainerState {
  readonly status: string;
  /** Process id of the first process; 0 where there is none */
  readonly pid: number;
}

/** What Podman says of a container; undefined where it does not exist. */
export async function inspectState(host: PodmanHost, id: string): Promise<ContainerState | undefined> {
  const result = await host.run(['container', 'inspect', '--format', '{{.State.Status}} {{.State.Pid}}', id]);
  if (result.exitCode !== 0) return undefined;
  const [status = '', pid = '0'] = result.stdout.toString('utf8').trim().split(' ');
  return { status, pid: Number(pid) };
}

/**
 * Where a container and its monitor were both killed, nobody wrote down the end, and Podman (4.3 to 5.4) takes it for running for good:
 * it can be neither stopped nor started. Writes the exit code that the monitor would have written; Podman believes it at the next look.
 */
export async function noteDeath(host: PodmanHost, id: string, { pid }: ContainerState): Promise<boolean> {
  if (pid === 0 || identifyProcess(pid) !== undefined) return false;
  const runtimeDir = host.facts.rootless ? path.join(host.env.XDG_RUNTIME_DIR ?? '/run', 'libpod', 'tmp') : '/run/libpod';
  const exits = path.join(runtimeDir, 'exits');
  if ((await ignoreCodes(['ENOENT'], () => stat(exits))) === undefined) return false;
  await writeFile(path.join(exits, id), '137', { mode: 0o600 });
  await host.run(['ps', '--all', '--sync', '--filter', `id=${id}`]);
  return true;
}
