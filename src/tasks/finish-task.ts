import { type Bottle, type ExitStatus, messageOf, settleAll } from '../core/index.ts';
import type { ChangedFile, CommitSummary } from './api.ts';
import { dropBottle, repairNetwork } from './bottle-life.ts';
import type { TaskContext } from './context.ts';
import { readChanges, salvage } from './repository.ts';
import { type TaskRecord, updateTask } from './task-record.ts';

export interface FinishInputs {
  readonly bottle: Bottle;
  readonly status: ExitStatus;
  /** Leaves the bottle running */
  readonly keep: boolean;
}

export interface FinishedTask {
  readonly commits: readonly CommitSummary[];
  readonly files: readonly ChangedFile[];
  readonly notes: readonly string[];
}

/**
 * Brings the work into the gate, then ends the bottle. Where the work cannot be brought out the bottle is stopped and kept, so that
 * nothing is lost. May be called again after a crash at any point.
 */
export async function finishTask(context: TaskContext, slug: string, { bottle, status, keep }: FinishInputs): Promise<FinishedTask> {
  const task = await updateTask(context.paths, slug, (record) => ({ ...record, status }));
  // no command of a paused bottle ends, so its time-outs would be waited for
  const isPaused = status.kind !== 'exited' && (await bottle.status()) === 'paused';
  const saved: Salvage = isPaused ? { ok: false, problem: 'it is paused' } : await bringHome(context, bottle, task, status.kind === 'lost');
  const [problem, changes] = await settleAll([
    saved.ok ? endBottle(context, slug, bottle, keep) : keepStopped(bottle, slug, saved.problem),
    readChanges(task),
  ]);
  const notes = [...(problem === undefined ? [] : [problem]), ...(saved.ok ? saved.kept.map((branch) => keptNote(slug, branch)) : [])];
  await updateTask(context.paths, slug, ({ runner: _, ...record }) => ({
    ...record,
    finishedAt: new Date().toISOString(),
    ...(saved.ok ? {} : { unsaved: true }),
    notes: [...record.notes, ...notes],
  }));
  return { ...changes, notes };
}

function keptNote(slug: string, branch: string): string {
  return `The clone had commits that its main branch does not have; they are kept as \`${branch}\`: \`terok review ${slug} --ref ${branch}\`.`;
}

type Salvage = { readonly ok: true; readonly kept: readonly string[] } | { readonly ok: false; readonly problem: string };

/** Where the agent was lost, or the first attempt fails, network and bottle are repaired first: one of them may have been killed. */
async function bringHome(context: TaskContext, bottle: Bottle, task: TaskRecord, repairFirst: boolean): Promise<Salvage> {
  try {
    if (repairFirst) await repair(context, bottle);
    return { ok: true, kept: await salvage(bottle, task) };
  } catch (error) {
    return repairFirst ? { ok: false, problem: messageOf(error) } : await bringHome(context, bottle, task, true);
  }
}

async function repair(context: TaskContext, bottle: Bottle): Promise<void> {
  await repairNetwork(context, bottle.id);
  if ((await bottle.status()) !== 'running') await bottle.start();
}

async function endBottle(context: TaskContext, slug: string, bottle: Bottle, keep: boolean): Promise<string | undefined> {
  await bottle[Symbol.asyncDispose]();
  if (keep) return `The bottle goes on: \`terok exec ${slug} -- COMMAND\`; end it with \`terok stop ${slug}\`.`;
  await dropBottle(context, slug);
  return undefined;
}

/** Losing a bottle with work in it would be worse than leaving one behind. */
async function keepStopped(bottle: Bottle, slug: string, problem: string): Promise<string> {
  const rescue = `The work could not be brought into the gate (${problem}). The bottle is kept: \`terok start ${slug}\`, then \`terok cp ${slug}:/work DIR\`.`;
  try {
    if ((await bottle.status()) === 'paused')
      return `The bottle is paused, with its work in it: \`terok status ${slug}\` says why, \`terok egress resume ${slug}\` lets it go on.`;
    await bottle.stop();
    return rescue;
  } catch (error) {
    return `${rescue} It could not be stopped: ${messageOf(error)}`;
  } finally {
    await bottle[Symbol.asyncDispose]();
  }
}
