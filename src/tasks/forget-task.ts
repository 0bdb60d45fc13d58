import { rm } from 'node:fs/promises';
import { bottleDirs } from '../core/index.ts';
import { dropBottle } from './bottle-life.ts';
import type { TaskContext } from './context.ts';

/** Removes a task with all that belongs to it on this host but its branch in the gate; from any state, as often as you like. */
export async function forgetTask(context: TaskContext, slug: string): Promise<void> {
  await dropBottle(context, slug);
  await rm(bottleDirs(context.paths, slug).stateDir, { recursive: true, force: true });
}
