import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BASE_REF, gatesOf, openTaskRepository, storeOf, taskLfsDir, taskRef, taskRepository } from './gate.ts';
import { git, gitText, resolveRevision } from './git.ts';
import { taskSlugs } from './task-slugs.ts';

/** Discarded work can be brought back for this long. */
const KEEP_DAYS = 30;

export interface DiscardResult {
  /** Undefined where the task had no branch any more */
  readonly backupRef?: string;
  /** argv that brings the branch back; it is for a person to run */
  readonly restoreCommand?: readonly string[];
  readonly keptDays: number;
}

/** Deletes the branch of a task in the gate and keeps its tip as a backup, in one transaction. Idempotent. */
export async function discardTask(gate: string, slug: string, now: Date = new Date()): Promise<DiscardResult> {
  const repository = await openTaskRepository(gate, slug);
  const ref = taskRef(slug);
  const tip = await resolveRevision(repository, ref);
  if (tip === undefined) return { keptDays: KEEP_DAYS };
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const backupRef = `refs/terok/backup/${slug}/${stamp}-${tip.slice(0, 12)}`;
  await git(repository, ['update-ref', '--no-deref', '--stdin'], {
    input: `start\nupdate ${backupRef} ${tip}\ndelete ${ref} ${tip}\nprepare\ncommit\n`,
  });
  return { backupRef, restoreCommand: ['git', '-C', repository, 'update-ref', ref, tip], keptDays: KEEP_DAYS };
}

/** Removes repositories of tasks whose branch is gone and whose newest backup is older than 30 days. Returns their slugs. */
export async function pruneDiscarded(gate: string, now: Date = new Date()): Promise<string[]> {
  const removed: string[] = [];
  for (const slug of await taskSlugs(gate)) {
    const repository = taskRepository(gate, slug);
    if ((await resolveRevision(repository, taskRef(slug))) !== undefined) continue;
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
  readonly repository: string;
  readonly base: string;
  readonly tip: string;
  /** Commits on top of the base */
  readonly commits: number;
}

/** The branches of all tasks of a gate that were not discarded. */
export async function listTaskBranches(gate: string): Promise<TaskBranch[]> {
  const branches: TaskBranch[] = [];
  for (const slug of await taskSlugs(gate)) {
    const repository = taskRepository(gate, slug);
    const [base, tip] = await Promise.all([resolveRevision(repository, BASE_REF), resolveRevision(repository, taskRef(slug))]);
    if (base === undefined || tip === undefined) continue;
    const commits = Number(await gitText(repository, ['rev-list', '--count', '--end-of-options', tip, `^${base}`, '--']));
    branches.push({ slug, repository, base, tip, commits });
  }
  return branches;
}
