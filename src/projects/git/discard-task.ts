import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BASE_REF, gatesOf, openTaskRepository, storeOf, taskLfsDir, taskRef, taskRefs, taskRepository } from './gate.ts';
import { git, gitText, resolveRevision } from './git.ts';
import { taskSlugs } from './task-slugs.ts';

/** Discarded work can be brought back for this long. */
const KEEP_DAYS = 30;

export interface DiscardResult {
  /** For each branch of the task the argv that brings it back; they are for a person to run */
  readonly restoreCommands: readonly (readonly string[])[];
  readonly keptDays: number;
}

/** Deletes the branches of a task in the gate and keeps their tips as backups, in one transaction. Idempotent. */
export async function discardTask(gate: string, slug: string, now: Date = new Date()): Promise<DiscardResult> {
  const repository = await openTaskRepository(gate, slug);
  const refs = [...(await taskRefs(repository, slug))];
  if (refs.length === 0) return { restoreCommands: [], keptDays: KEEP_DAYS };
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const lines = refs.map(([ref, tip]) => {
    const backup = `refs/terok/backup/${slug}/${stamp}-${tip.slice(0, 12)}${ref.slice(taskRef(slug).length)}`;
    return `update ${backup} ${tip}\ndelete ${ref} ${tip}\n`;
  });
  await git(repository, ['update-ref', '--no-deref', '--stdin'], { input: `start\n${lines.join('')}prepare\ncommit\n` });
  return { restoreCommands: refs.map(([ref, tip]) => ['git', '-C', repository, 'update-ref', ref, tip]), keptDays: KEEP_DAYS };
}

/** Removes repositories of tasks whose branches are gone and whose newest backup is older than 30 days. Returns their slugs. */
export async function pruneDiscarded(gate: string, now: Date = new Date()): Promise<string[]> {
  const removed: string[] = [];
  for (const slug of await taskSlugs(gate)) {
    const repository = taskRepository(gate, slug);
    if ((await taskRefs(repository, slug)).size > 0) continue;
    const names = (await gitText(repository, ['for-each-ref', '--format=%(refname:lstrip=4)', 'refs/terok/backup/'])).split('\n');
    if (names.some((name) => ageDays(name, now) < KEEP_DAYS)) continue;
    await rm(repository, { recursive: true, force: true });
    await rm(taskLfsDir(gate, slug), { recursive: true, force: true });
    await dropImportRefs(gate, slug);
    removed.push(slug);
  }
  return removed;
}

/** Takes what was imported for a task out of the gate again. An earlier task of that name may have left backups, which stay. */
export async function forgetImport(projectDataDir: string, slug: string): Promise<void> {
  for (const gate of gatesOf(projectDataDir)) {
    if (!existsSync(storeOf(gate))) continue;
    const repository = taskRepository(gate, slug);
    if (existsSync(repository)) {
      if ((await gitText(repository, ['for-each-ref', '--count=1', 'refs/terok/backup/'])) === '')
        await Promise.all([repository, taskLfsDir(gate, slug)].map(async (dir) => await rm(dir, { recursive: true, force: true })));
      else await discardTask(gate, slug);
    }
    await dropImportRefs(gate, slug);
  }
}

/** Backup names begin with `20251121T110000Z`; another name counts as old. */
function ageDays(name: string, now: Date): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(name) ?? [];
  return y === undefined ? Number.POSITIVE_INFINITY : (now.getTime() - Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)) / 86_400_000;
}

async function dropImportRefs(gate: string, slug: string): Promise<void> {
  const refs = await gitText(storeOf(gate), ['for-each-ref', '--format=delete %(refname)', `refs/terok/import/${slug}/`]);
  if (refs !== '') await git(storeOf(gate), ['update-ref', '--no-deref', '--stdin'], { input: `${refs}\n` });
}

export interface TaskBranch {
  readonly slug: string;
  /** Full name */
  readonly ref: string;
  readonly repository: string;
  readonly base: string;
  readonly tip: string;
  /** Commits on top of the base */
  readonly commits: number;
}

/** The branches of all tasks of a gate that were not discarded. */
export async function listTaskBranches(gate: string): Promise<TaskBranch[]> {
  const branches: TaskBranch[] = [];
  for (const slug of await taskSlugs(gate)) branches.push(...(await taskBranches(gate, slug)));
  return branches;
}

/** The branches of one task; none where it was discarded. */
export async function taskBranches(gate: string, slug: string): Promise<TaskBranch[]> {
  const repository = taskRepository(gate, slug);
  if (!existsSync(repository)) return [];
  const [base, refs] = await Promise.all([resolveRevision(repository, BASE_REF), taskRefs(repository, slug)]);
  if (base === undefined) return [];
  const branches: TaskBranch[] = [];
  for (const [ref, tip] of refs) {
    const commits = Number(await gitText(repository, ['rev-list', '--count', '--end-of-options', tip, `^${base}`, '--']));
    branches.push({ slug, ref, repository, base, tip, commits });
  }
  return branches;
}
