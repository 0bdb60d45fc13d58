/**
 * Takes `/proc` away from the file server of a machine, which would show root of the guest that of its monitor's container. Writing to
 * `/proc/1/mem`, or to `mem` of any thread there, is writing into the monitor.
 *
 * Scope: the mounts of the container before the monitor starts. The file server needs `/proc/self/fd`, so that is all that is left; the
 * guest resolves its links among its own files. Masks would not do: threads that start later have entries of their own.
 * Fail-safe direction: `closedProcDifferences` reads what came of it, and anything else keeps the machine from starting.
 */
import path from 'node:path';
import { writePrivateFile } from '../../core/index.ts';
import type { OciHook } from '../oci/index.ts';

/** Runs in the namespaces of the container with the programs of the host; on stdin is the state of the container as crun writes it. */
const SCRIPT = `set -eu
root=$(sed -n 's/.*"root": *"\\([^"\\\\]*\\)".*/\\1/p')
test -d "\${root:?}/proc/1/fd"
closed=$root/proc/tty
mount -n -t tmpfs -o nosuid,nodev,noexec,mode=755,size=64k none "$closed"
mkdir -p "$closed/self/fd"
mount -n --bind "$root/proc/1/fd" "$closed/self/fd"
mount -n -o remount,bind,ro,nosuid,nodev,noexec "$closed"
mount -n --move "$closed" "$root/proc"
`;

export const CLOSE_PROC: OciHook = {
  path: '/bin/sh',
  args: ['sh', '-c', SCRIPT],
  env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
  timeout: 60,
};

/** Writes what makes Podman run `CLOSE_PROC` for every container, and returns the directory to give it as `--hooks-dir`. */
export async function writeHooks(runtimeDir: string): Promise<string> {
  const dir = path.join(runtimeDir, 'krun-hooks');
  const hook = { version: '1.0.0', hook: CLOSE_PROC, when: { always: true }, stages: ['createContainer'] };
  await writePrivateFile(path.join(dir, 'close-proc.json'), JSON.stringify(hook));
  return dir;
}

interface Mount {
  readonly id: string;
  readonly parent: string;
  readonly point: string;
  readonly type: string;
  readonly isReadOnly: boolean;
}

/** One sentence for each way in which the monitor could reach a `/proc`, from its mount table in the format of `/proc/PID/mountinfo`. */
export function closedProcDifferences(mountinfo: string): string[] {
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const stack = mounts.filter(({ point }) => point === '/proc');
  const isCovered = ({ id }: Mount): boolean => stack.some(({ parent }) => parent === id);
  const top = stack.find((mount) => !isCovered(mount));
  if (top?.type !== 'tmpfs' || !top.isReadOnly) return ['the `/proc` of the monitor is not closed'];
  const covered = new Set(stack.filter(isCovered).map(({ id }) => id));
  const isServer = ({ parent, point }: Mount): boolean => parent === top.id && point === '/proc/self/fd';
  return mounts
    .filter((mount) => mount.type === 'proc' && !covered.has(mount.id) && !covered.has(mount.parent) && !isServer(mount))
    .map(({ point }) => `the monitor reaches a \`/proc\` at \`${point}\``);
}

function parseMount(line: string): Mount[] {
  const [before, after] = line.split(' - ');
  const [id, parent, , , point, options] = before?.split(' ') ?? [];
  const type = after?.split(' ')[0];
  if (id === undefined || parent === undefined || point === undefined || type === undefined) return [];
  return [{ id, parent, point, type, isReadOnly: options?.split(',').includes('ro') === true }];
}
