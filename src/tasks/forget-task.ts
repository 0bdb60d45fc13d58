import { rm } from 'node:fs/promises';
import { bottleDirs } from '../core/index.ts';
import { releaseLoopbackAlias } from '../core/resolve/index.ts';
import { forgetImport } from '../projects/git/index.ts';
import { removeBottle } from './bottle-life.ts';
import type { TaskContext } from './context.ts';
import { explainFullDisk } from './full-disk.ts';
import { readTask } from './task-record.ts';

/** Removes a task with all that belongs to it on this host but its branch in the gate; from any state, as often as you like. */
export async function forgetTask(context: TaskContext, slug: string): Promise<void> {
  await removeBottle(context, slug);
  await rm(bottleDirs(context.paths, slug).stateDir, { recursive: true, force: true });
  await releaseLoopbackAlias(context.paths, slug);
}

/** Also takes its branch out of the gate: for a task in which no agent has run. */
export async function undoTask(context: TaskContext, slug: string): Promise<void> {
  const task = await readTask(context.paths, slug);
  if (task !== undefined) await forgetImport(task.project.dataDir, slug);
  await forgetTask(context, slug);
}

/**
 * Takes back what a task made before its agent ran, and gives the reason of the failure. What cannot be taken back at once is left
 * to the next command, which repairs it.
 */
export async function abandonTask(context: TaskContext, slug: string, error: unknown): Promise<unknown> {
  const reason = await explainFullDisk(error, context.paths);
  await Promise.allSettled([undoTask(context, slug)]);
  return reason;
}
