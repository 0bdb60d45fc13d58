/**
 * Repairs what a killed process left behind. Compares three things: the records on disk, the processes that own them, and what the
 * runtime says. A bottle in which no agent ran is removed; one that may hold work gets it into the gate first.
 */
import { type BottleStatus, isAlive, messageOf } from '../core/index.ts';
import { type BottleRecord, listRecords } from '../core/resolve/index.ts';
import { hasUsedApproval } from '../projects/git/index.ts';
import { BACKEND_NAMES } from './backends.ts';
import { dropBottle, openBottle } from './bottle-life.ts';
import type { Repair, TaskContext } from './context.ts';
import { hasGateway, syncPolicy } from './egress-policy.ts';
import { finishTask } from './finish-task.ts';
import { forgetTask, undoTask } from './forget-task.ts';
import { revokeKeys } from './task-keys.ts';
import { claimTask, readTask, type TaskRecord, updateTask } from './task-record.ts';

/** A directory without records is younger than this while its process is still writing them. */
const RESERVATION_MS = 60_000;

/** Does nothing to tasks whose process lives. One task that cannot be repaired does not keep the others from it. */
export async function recover(context: TaskContext, onRepair: (repair: Repair) => void): Promise<void> {
  const entries = await listRecords(context.paths);
  for (const entry of entries) {
    try {
      const message = await recoverEntry(context, entry);
      if (message !== undefined) onRepair({ slug: entry.slug, message });
    } catch (error) {
      onRepair({ slug: entry.slug, message: `could not be repaired: ${messageOf(error)}` });
    }
  }
  await revokeKeys(context, onRepair);
}

type Entry = Awaited<ReturnType<typeof listRecords>>[number];

async function recoverEntry(context: TaskContext, entry: Entry): Promise<string | undefined> {
  if (entry.kind === 'corrupt') return `has a damaged record: ${entry.error.message}`;
  const task = await readTask(context.paths, entry.slug);
  // A command that was killed between writing rules and telling the gateway
  if (entry.kind === 'record' && hasGateway(entry.record) && task !== undefined) await syncPolicy(context, entry.slug);
  if (task !== undefined) for (const message of await repairLanding(context, task)) context.onRepair({ slug: entry.slug, message });
  if (entry.kind === 'unfinished') return await recoverReservation(context, entry.slug, task, entry.reservedAt);
  if (task?.finishedAt !== undefined) return await settle(context, entry.record);
  if (task === undefined) {
    await forgetTask(context, entry.slug);
    return 'was never started; removed';
  }
  if (task.runner === undefined || isAlive(task.runner) || !(await claimTask(context.paths, entry.slug))) return undefined;
  return await recoverInterrupted(context, task, entry.record);
}

/** Most tasks have nothing that landed. */
async function repairLanding(context: TaskContext, task: TaskRecord): Promise<readonly string[]> {
  if (task.gate === undefined || !(await hasUsedApproval(task.gate, task.slug))) return [];
  const { repairApplied } = await import('./after-landing.ts');
  return await repairApplied(context, task);
}

async function recoverReservation(
  context: TaskContext,
  slug: string,
  task: TaskRecord | undefined,
  reservedAt: Date,
): Promise<string | undefined> {
  const ownerLives = task?.runner !== undefined ? isAlive(task.runner) : Date.now() - reservedAt.getTime() < RESERVATION_MS;
  if (ownerLives) return undefined;
  await undoTask(context, slug);
  return 'was never started; removed';
}

/** The runner died. Before `running` no agent can have worked. */
async function recoverInterrupted(context: TaskContext, task: TaskRecord, record: BottleRecord): Promise<string> {
  if (record.phase === 'planned' || record.phase === 'created' || record.phase === 'sealed') {
    await undoTask(context, task.slug);
    return 'was interrupted before its agent ran; removed';
  }
  const isGone = record.phase !== 'removed' && (await runtimeStatus(context, record)) === undefined;
  if (isGone) await dropBottle(context, task.slug);
  if (isGone || record.phase === 'removed') {
    await updateTask(context.paths, task.slug, ({ runner: _, ...rest }) => ({ ...rest, finishedAt: new Date().toISOString() }));
    return task.status === undefined
      ? 'has lost its bottle; what it had pushed is in the gate'
      : 'was interrupted while it was cleaned up; its work is in the gate';
  }
  const bottle = await openBottle(context, task.slug);
  if ((await bottle.status()) !== 'running') await bottle.start();
  const { commits } = await finishTask(context, task.slug, {
    bottle,
    status: task.status ?? { kind: 'lost', reason: 'terok was killed' },
    keep: false,
  });
  return `was interrupted; ${commits.length === 0 ? 'it had changed nothing' : `its work is in the gate: \`terok diff ${task.slug}\``}`;
}

/** Undefined where the runtime knows no such bottle. */
async function runtimeStatus(context: TaskContext, record: BottleRecord): Promise<BottleStatus | undefined> {
  const backend = await context.backend(record.backend);
  return (await backend.list()).find(({ id }) => id === record.slug)?.status;
}

/** A finished task: its bottle is gone, stopped, or kept running on purpose; the record follows what the runtime says. */
async function settle(context: TaskContext, record: BottleRecord): Promise<string | undefined> {
  if (record.phase !== 'running') return undefined;
  if ((await runtimeStatus(context, record)) !== undefined) return undefined;
  await dropBottle(context, record.slug);
  return 'has lost its bottle; its work is in the gate';
}

/** Removes runtime objects that carry terok's label but belong to no record. */
export async function removeOrphans(context: TaskContext, onRepair: (repair: Repair) => void): Promise<void> {
  const known = new Set((await listRecords(context.paths)).map(({ slug }) => slug));
  for (const name of BACKEND_NAMES) {
    const backend = await context.backend(name);
    for (const { id } of (await backend.list()).filter((entry) => !known.has(entry.id))) {
      await backend.remove(id);
      onRepair({ slug: id, message: 'was a bottle without a record; removed' });
    }
  }
}
