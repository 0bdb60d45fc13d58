/*
 * Scope: what the store of a project knows of its upstream: branches are made and moved forward, everything else waits for a person.
 * Out of scope: reaching the upstream. Fail-safe direction: a branch is changed only from the commit that was compared; whatever a
 * person takes that way is kept under a backup name first.
 */
import path from 'node:path';
import { z } from 'zod';
import {
  isTaskBranch,
  isTerokError,
  readStateFile,
  removeStaleGitLocks,
  settleAll,
  TerokError,
  withLock,
  writeStateFile,
} from '../../core/index.ts';
import type { Upstream } from '../../upstream/index.ts';
import { storeOf, taskRepository } from './gate.ts';
import { git, gitText } from './git.ts';
import { taskSlugs } from './task-slugs.ts';

const hex = z.string().regex(/^[0-9a-f]{40,64}$/);

const pendingSchema = z.strictObject({
  branch: z.string(),
  /** `rewritten`: other commits took the place of ours; `deleted`: it is gone; `blocked`: its name cannot stand beside another one */
  kind: z.enum(['rewritten', 'deleted', 'blocked']),
  /** What the store has */
  from: hex.optional(),
  /** What the upstream has */
  to: hex.optional(),
  /** Commits that would be reachable under a backup name alone */
  commits: z.int(),
});

const syncSchema = z.strictObject({
  version: z.literal(1),
  at: z.iso.datetime(),
  /** Branch that the upstream's HEAD names; absent where that branch is gone or unborn */
  head: z.string().optional(),
  branches: z.int(),
  pending: z.array(pendingSchema),
});

export type PendingChange = z.infer<typeof pendingSchema>;
export type SyncState = z.infer<typeof syncSchema>;

export interface SyncReport extends SyncState {
  readonly created: readonly string[];
  readonly forwarded: readonly string[];
}

/** What the upstream had at the last sync. */
export const SNAPSHOT = 'refs/terok/upstream/';
const HEADS = 'refs/heads/';

/** What the last sync found; undefined before the first. */
export async function readSync(gate: string): Promise<SyncState | undefined> {
  return await readStateFile(stateFile(gate), syncSchema);
}

export async function syncUpstream(gate: string, upstream: Upstream, now: Date = new Date()): Promise<SyncReport> {
  const store = storeOf(gate);
  await removeStaleGitLocks(store);
  const { branches, head } = await upstream.branches(store);
  const [known, snapshots] = await settleAll([refsBelow(store, HEADS), refsBelow(store, SNAPSHOT)]);
  const changed = [...branches].filter(([name, id]) => snapshots.get(name) !== id || known.get(name) !== id).map(([name]) => name);
  const gone = [...snapshots.keys()].filter((name) => !branches.has(name));
  await updateRefs(
    store,
    gone.map((name) => `delete ${SNAPSHOT}${name}`),
  );
  if (changed.length > 0) await upstream.fetch(store, changed, SNAPSHOT);
  const plan = await compare(store, known, branches);
  const blocked = await carryOut(store, plan.steps);
  await showToTasks(gate, new Map([...branches].filter(([name]) => !plan.pending.some(({ branch }) => branch === name))));
  const state = await keepState(gate, {
    version: 1,
    at: now.toISOString(),
    ...(head !== undefined && branches.has(head) ? { head } : {}),
    branches: branches.size,
    pending: [...plan.pending, ...blocked],
  });
  const done = plan.steps.filter(({ branch }) => !blocked.some((each) => each.branch === branch));
  return {
    ...state,
    created: done.filter(({ from }) => from === undefined).map(({ branch }) => branch),
    forwarded: done.filter(({ from }) => from !== undefined).map(({ branch }) => branch),
  };
}

/** Leaves out what a person took while the sync was under way. */
async function keepState(gate: string, found: SyncState): Promise<SyncState> {
  return await withLock(stateFile(gate), async () => {
    const now = found.pending.length === 0 ? new Map<string, string>() : await refsBelow(storeOf(gate), HEADS);
    const state = { ...found, pending: found.pending.filter(({ branch, from }) => now.get(branch) === from) };
    await writeStateFile(stateFile(gate), state);
    return state;
  });
}

/** Takes what waits for one branch as the upstream has it, and gives the command that brings the old commit back. */
export async function takePending(gate: string, branch: string, now: Date = new Date()): Promise<readonly string[] | undefined> {
  return await withLock(stateFile(gate), async () => await takeLocked(gate, branch, now));
}

async function takeLocked(gate: string, branch: string, now: Date): Promise<readonly string[] | undefined> {
  const store = storeOf(gate);
  const state = await readSync(gate);
  const pending = state?.pending.find((each) => each.branch === branch);
  if (state === undefined || pending === undefined) {
    throw new TerokError('NOT_FOUND', `Nothing waits for the branch ${JSON.stringify(branch)} of the upstream.`, {
      hint: 'Run `terok git sync` first.',
    });
  }
  const { from, to } = pending;
  const backup = `refs/terok/backup/upstream/${branch}/${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${(from ?? '').slice(0, 12)}`;
  await updateRefs(store, [
    ...(from === undefined ? [] : [`create ${backup} ${from}`]),
    to === undefined
      ? `delete ${HEADS}${branch} ${from ?? ''}`
      : from === undefined
        ? `create ${HEADS}${branch} ${to}`
        : `update ${HEADS}${branch} ${to} ${from}`,
  ]);
  await writeStateFile(stateFile(gate), { ...state, pending: state.pending.filter((each) => each !== pending) });
  return from === undefined ? undefined : ['git', '-C', store, 'update-ref', `${HEADS}${branch}`, from];
}

interface Step {
  readonly branch: string;
  readonly from: string | undefined;
  readonly to: string;
}

async function compare(
  store: string,
  known: ReadonlyMap<string, string>,
  branches: ReadonlyMap<string, string>,
): Promise<{ readonly steps: Step[]; readonly pending: PendingChange[] }> {
  const steps: Step[] = [];
  const pending: PendingChange[] = [];
  for (const [branch, to] of branches) {
    const from = known.get(branch);
    if (from === to) continue;
    if (from === undefined || (await isAncestor(store, from, to))) steps.push({ branch, from, to });
    else pending.push({ branch, kind: 'rewritten', from, to, commits: await countBeyond(store, from, [`^${to}`]) });
  }
  for (const [branch, from] of known) {
    if (!branches.has(branch))
      pending.push({
        branch,
        kind: 'deleted',
        from,
        commits: await countBeyond(store, from, ['--not', `--exclude=${branch}`, '--branches']),
      });
  }
  return { steps, pending };
}

/** All at once; where that is refused, one by one, so that one name does not keep the others. */
async function carryOut(store: string, steps: readonly Step[]): Promise<PendingChange[]> {
  if (await tryUpdate(store, steps)) return [];
  const blocked: PendingChange[] = [];
  for (const step of steps) {
    if (await tryUpdate(store, [step])) continue;
    const { branch, from, to } = step;
    blocked.push({ branch, kind: 'blocked', ...(from === undefined ? {} : { from }), to, commits: 0 });
  }
  return blocked;
}

async function tryUpdate(store: string, steps: readonly Step[]): Promise<boolean> {
  const lines = steps.map(({ branch, from, to }) =>
    from === undefined ? `create ${HEADS}${branch} ${to}` : `update ${HEADS}${branch} ${to} ${from}`,
  );
  try {
    await updateRefs(store, lines);
    return true;
  } catch (error) {
    if (!isTerokError(error) || error.code !== 'GIT_FAILED') throw error;
    if (!/\.lock': File exists|Another git process/.test(String(error.context['stderr']))) return false;
    throw new TerokError('WRONG_STATE', 'A git that works on the same branches, or one that was killed, holds a lock in the gate.', {
      hint: 'Run `terok git sync` again in a minute: a lock that is older is removed.',
      cause: error,
    });
  }
}

/** A task that sees a branch of that name sees it move forward; nothing that it wrote is touched. */
async function showToTasks(gate: string, branches: ReadonlyMap<string, string>): Promise<void> {
  for (const slug of await taskSlugs(gate)) {
    const repository = taskRepository(gate, slug);
    await removeStaleGitLocks(repository);
    const seen = await refsBelow(repository, HEADS);
    for (const [name, from] of seen) {
      const to = branches.get(name);
      if (isTaskBranch(slug, name) || to === undefined || to === from || !(await isAncestor(repository, from, to))) continue;
      await updateRefs(repository, [`update ${HEADS}${name} ${to} ${from}`]);
    }
  }
}

async function refsBelow(repository: string, prefix: string): Promise<Map<string, string>> {
  const text = await gitText(repository, ['for-each-ref', '--format=%(objectname) %(refname)', prefix]);
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1 + prefix.length), line.slice(0, line.indexOf(' '))]));
}

async function updateRefs(repository: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await git(repository, ['update-ref', '--no-deref', '--stdin'], { input: `start\n${lines.join('\n')}\nprepare\ncommit\n` });
}

/** Also false where the repository does not have one of them. */
async function isAncestor(repository: string, ancestor: string, commit: string): Promise<boolean> {
  return (await git(repository, ['merge-base', '--is-ancestor', ancestor, commit], { accept: [1, 128] })).exitCode === 0;
}

async function countBeyond(repository: string, from: string, but: readonly string[]): Promise<number> {
  return Number(await gitText(repository, ['rev-list', '--count', from, ...but, '--']));
}

function stateFile(gate: string): string {
  return path.join(gate, 'upstream.json');
}
