import path from 'node:path';
import { z } from 'zod';
import {
  bottleDirs,
  currentProcess,
  isAlive,
  processIdentitySchema,
  readStateFile,
  TerokError,
  type TerokPaths,
  withLock,
  writeStateFile,
} from '../core/index.ts';

const exitStatus = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exited'), code: z.int() }),
  z.strictObject({ kind: z.literal('signalled'), signal: z.string() }),
  z.strictObject({ kind: z.literal('timedOut') }),
  z.strictObject({ kind: z.literal('cancelled') }),
  z.strictObject({ kind: z.literal('lost'), reason: z.string() }),
]);

const taskRecord = z.strictObject({
  version: z.literal(1),
  slug: z.string(),
  project: z.strictObject({ id: z.string(), name: z.string(), source: z.string(), isGit: z.boolean(), dataDir: z.string() }),
  backend: z.string(),
  image: z.string(),
  /** Content address of the image when the task began, `sha256:…` */
  imageId: z.string().optional(),
  agent: z.string().optional(),
  prompt: z.string().optional(),
  argv: z.array(z.string()),
  /** Route of the bottle's first policy → where it comes from */
  routeOrigins: z.record(z.string(), z.string()).optional(),
  /** Directory of the project's gate */
  gate: z.string().optional(),
  /** What the bottle's clone starts from */
  base: z.strictObject({ branch: z.string(), commit: z.string() }).optional(),
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  appliedAt: z.string().optional(),
  /** The bottle holds work that is not in the gate */
  unsaved: z.boolean().optional(),
  status: exitStatus.optional(),
  notes: z.array(z.string()),
  /** The process that runs the task; absent once the task is finished */
  runner: processIdentitySchema.optional(),
});

/** What a task is and how it ended: `<state>/bottles/<slug>/task.json`. The bottle's own lifecycle is in `record.json`. */
export type TaskRecord = z.infer<typeof taskRecord>;

export function taskFile(paths: TerokPaths, slug: string): string {
  return path.join(bottleDirs(paths, slug).stateDir, 'task.json');
}

export async function readTask(paths: TerokPaths, slug: string): Promise<TaskRecord | undefined> {
  return await readStateFile(taskFile(paths, slug), taskRecord);
}

export async function writeTask(paths: TerokPaths, record: TaskRecord): Promise<void> {
  await writeStateFile(taskFile(paths, record.slug), taskRecord.parse(record));
}

/** Read-modify-write under the task's lock; throws NOT_FOUND where there is no such task. */
export async function updateTask(paths: TerokPaths, slug: string, change: (record: TaskRecord) => TaskRecord): Promise<TaskRecord> {
  const file = taskFile(paths, slug);
  return await withLock(file, async () => {
    const record = await readTask(paths, slug);
    if (record === undefined)
      throw new TerokError('NOT_FOUND', `There is no task \`${slug}\`.`, { hint: 'List the tasks with `terok list`.' });
    const changed = change(record);
    await writeTask(paths, changed);
    return changed;
  });
}

/** Makes this process the task's runner, unless another live one is; of several processes exactly one succeeds. */
export async function claimTask(paths: TerokPaths, slug: string): Promise<boolean> {
  const self = currentProcess();
  const record = await updateTask(paths, slug, (task) =>
    task.runner !== undefined && isAlive(task.runner) ? task : { ...task, runner: self },
  );
  return record.runner?.pid === self.pid && record.runner.startTime === self.startTime;
}
