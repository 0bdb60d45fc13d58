// What a login with systemd gives an unprivileged user, by hand for a host without it: a control group that he may divide. Needs root.
import { chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runOrThrow } from '../../src/core/index.ts';

export interface DelegatedGroup extends AsyncDisposable {
  /** Before an argv that root runs: goes into the group first */
  readonly enter: readonly string[];
}

const ROOT = '/sys/fs/cgroup';
const HANDED_OVER = ['.', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'];
const REMOVE = 'echo 1 >"$0/cgroup.kill"; until find "$0" -depth -type d -exec rmdir {} +; do sleep 0.1; done';

/** Programs are in a group of their own below it: one that has groups with limits below may hold no process. */
export async function delegateGroup(name: string, uid: number): Promise<DelegatedGroup> {
  const group = path.join(ROOT, name);
  const session = path.join(group, 'session');
  await mkdir(session, { recursive: true });
  for (const each of [ROOT, group]) await writeFile(path.join(each, 'cgroup.subtree_control'), '+cpu +memory +pids');
  for (const each of [group, session]) await Promise.all(HANDED_OVER.map((file) => chown(path.join(each, file), uid, uid)));
  return {
    enter: ['sh', '-c', 'echo $$ >"$0" && exec "$@"', path.join(session, 'cgroup.procs')],
    [Symbol.asyncDispose]: async () => void (await runOrThrow(['sh', '-c', REMOVE, group], { timeoutMs: 60_000 })),
  };
}
