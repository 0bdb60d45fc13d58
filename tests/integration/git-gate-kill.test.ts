/** A gate that is killed with SIGKILL at each process that serves a push. */
import { readdirSync, readFileSync } from 'node:fs';
import { lstat, readdir, utimes } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startGate } from './gate-process.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

/** More processes than a push takes */
const MOST_PROCESSES = 80;
const OLD = new Date(Date.now() - 2 * 60 * 60_000);

describe.each(['alone', 'with all that it started'] as const)('a gate that is killed %s', (victim) => {
  test('at each step of a push leaves the old ref or the new one, and the next push is taken', { timeout: 400_000 }, async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    let killed = true;
    let rounds = 0;
    for (let at = 1; killed; at += 2) {
      expect(at).toBeLessThan(MOST_PROCESSES);
      rounds += 1;
      const old = await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop']);
      // A new commit in place of the last one, so that the hook that keeps a backup has its turn too
      await lab.commit(clone, { 'a.txt': `${victim} ${at}\n` }, `Change ${at}`);
      const tip = await mustGit(clone, ['rev-parse', 'HEAD']);
      await using gate = await startGate(imported, 'shop');
      const pushed = gitIn(clone, ['push', '--quiet', '--force', gate.url, 'HEAD:refs/heads/terok/shop']);
      const { started, hit } = await killAt(gate.pid, at, victim === 'alone', pushed);
      killed = hit;
      await pushed;
      await expect.poll(() => started.filter(isRunning), { timeout: 60_000 }).toEqual([]);
      expect([old, tip]).toContain(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop']));
      await ageLeftovers(imported.repository);
      await mustGit(clone, ['push', '--quiet', '--force', 'origin', 'HEAD:refs/heads/terok/shop']);
      expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
      expect(await leftovers(imported.repository)).toEqual([]);
      await mustGit(clone, ['commit', '--quiet', '--amend', '--message', `Again ${at}`]);
    }
    // Fewer rounds would mean that the processes of a push were not seen
    expect(rounds).toBeGreaterThan(4);
    await mustGit(imported.repository, ['fsck', '--connectivity-only']);
  });
});

test('a push whose gate is killed before its body has come leaves no process', async () => {
  await using lab = await GitLab.create();
  await using gate = await startGate(await lab.import(await lab.userRepository(), 'shop'), 'shop');
  const headers = { 'content-type': 'application/x-git-receive-pack-request', 'content-length': 1000 };
  const push = http.request(`${gate.url}/git-receive-pack`, { method: 'POST', headers }).on('error', () => undefined);
  push.write('00');
  const started = (): number[] =>
    descendantsOf(gate.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('http-backend'));
  await expect.poll(started).not.toEqual([]);
  const [backend = 0] = started();
  await delay(300);
  gate.kill();
  await expect.poll(() => isRunning(backend)).toBe(false);
});

/** Kills when the process number `at` was started below `gate`; `hit` is false where the push ended before. */
async function killAt(gate: number, at: number, alone: boolean, pushed: Promise<unknown>): Promise<{ started: number[]; hit: boolean }> {
  const started = new Set<number>();
  let done = false;
  void pushed.finally(() => (done = true));
  while (!done) {
    const below = descendantsOf(gate);
    for (const pid of below) started.add(pid);
    if (started.size >= at) {
      for (const pid of alone ? [gate] : [gate, ...below]) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It ended by itself
        }
      }
      return { started: [...started], hit: true };
    }
    await delay(1);
  }
  return { started: [...started], hit: false };
}

function descendantsOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) parents.set(Number(name), Number(statOf(Number(name))[1] ?? 0));
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid) ?? 0;
    return parent === root || (parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

/** State, parent and so on: what follows the name. */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function isRunning(pid: number): boolean {
  const [state = 'X'] = statOf(pid);
  return !['X', 'Z'].includes(state);
}

/** Locks and quarantines in a repository. */
async function leftovers(repository: string): Promise<string[]> {
  const names = await readdir(repository, { recursive: true });
  return names.filter((name) => name.endsWith('.lock') || /^objects\/tmp_objdir-[^/]*$/.test(name));
}

async function ageLeftovers(repository: string): Promise<void> {
  for (const name of await leftovers(repository)) {
    const file = path.join(repository, name);
    if ((await lstat(file).catch(() => undefined)) !== undefined) await utimes(file, OLD, OLD);
  }
}
