/** Stop, start and remove: what a person does to a task that exists. */
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type ProcessIdentity, TerokError } from '../core/index.ts';
import { readRecord } from '../core/resolve/index.ts';
import { taskBranches } from '../projects/git/index.ts';
import { openBottle, resumeBottle } from './bottle-life.ts';
import type { TaskContext } from './context.ts';
import { forgetTask } from './forget-task.ts';
import { discardWork } from './repository.ts';
import { readTask } from './task-record.ts';

const RUNNER_GRACE_MS = 60_000;
const POLL_MS = 50;

interface Cancel {
  readonly signal?: AbortSignal;
}

/** A task that another process runs is ended by that process, which brings the work into the gate; a kept bottle is stopped. */
export async function stopTask(context: TaskContext, slug: string, options: Cancel): Promise<void> {
  const task = await readTask(context.paths, slug);
  // the runner brings the work of the bottle home first
  if (task?.runner !== undefined && isAlive(task.runner)) {
    await resumeBottle(context, slug);
    return await endRunner(task.runner, 'SIGTERM', options);
  }
  const record = await readRecord(context.paths, slug);
  if (record === undefined || record.phase === 'removed' || record.phase === 'stopped') return;
  await using bottle = await openBottle(context, slug, options);
  await bottle.stop(options);
}

export async function startTask(context: TaskContext, slug: string, options: Cancel): Promise<void> {
  await using bottle = await openBottle(context, slug, options);
  await bottle.start(options);
}

/** Refuses where something would be lost, unless forced; the gate keeps what was pushed under a backup name. */
export async function removeTask(context: TaskContext, slug: string, force: boolean): Promise<void> {
  const task = await readTask(context.paths, slug);
  const running = task?.runner !== undefined && isAlive(task.runner) ? task.runner : undefined;
  if (!force && running !== undefined)
    throw refused(slug, 'is running', `Stop it first: \`terok stop ${slug}\`, or remove it with \`--force\`.`);
  if (running !== undefined) {
    await resumeBottle(context, slug);
    await endRunner(running, 'SIGTERM', {});
  }
  if (!force && task?.unsaved === true)
    throw refused(
      slug,
      'holds work that could not be brought into the gate',
      `\`terok start ${slug}\`, then \`terok cp ${slug}:/work DIR\`; or remove it with \`--force\`.`,
    );
  if (task !== undefined && !force && task.appliedAt === undefined) {
    const branches = task.gate === undefined ? [] : await taskBranches(task.gate, slug);
    const commits = Math.max(0, ...branches.map((branch) => branch.commits));
    if (commits > 0)
      throw refused(slug, `holds ${commits} commits that were not applied`, `\`terok apply ${slug}\` first, or \`terok discard ${slug}\`.`);
  }
  if (task !== undefined) await discardWork(task);
  await forgetTask(context, slug);
}

async function endRunner(runner: ProcessIdentity, signal: NodeJS.Signals, options: Cancel): Promise<void> {
  process.kill(runner.pid, signal);
  const deadline = Date.now() + RUNNER_GRACE_MS;
  while (isAlive(runner)) {
    options.signal?.throwIfAborted();
    if (Date.now() > deadline)
      throw new TerokError('TIMEOUT', `The process ${runner.pid}, which runs the task, did not end within ${RUNNER_GRACE_MS / 1000} s.`, {
        hint: `Kill it with \`kill -9 ${runner.pid}\`; the next command repairs the rest.`,
      });
    await delay(POLL_MS);
  }
}

function refused(slug: string, what: string, hint: string): TerokError {
  return new TerokError('WRONG_STATE', `The task \`${slug}\` ${what}.`, { hint });
}
