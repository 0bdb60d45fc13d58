/** What `list` and `status` show of a task: records joined with what the runtime says. */
import { type BottleStatus, bottleDirs, settleAll, TerokError } from '../core/index.ts';
import { type BottleRecord, listRecords, readRecord } from '../core/resolve/index.ts';
import { type UpstreamAge, upstreamAge } from '../projects/git/index.ts';
import { networkCanaryMark, sealedNetworkStatus } from '../sidecars/gateway/index.ts';
import { readUpstream } from '../upstream/index.ts';
import type { PortAddress, TaskStatus, TaskSummary } from './api.ts';
import type { TaskContext } from './context.ts';
import { dataLossNotes } from './data-loss.ts';
import { taskPolicy } from './egress-policy.ts';
import { readChanges } from './repository.ts';
import { readTask, type TaskRecord } from './task-record.ts';

interface Known {
  readonly task: TaskRecord;
  readonly record: BottleRecord;
}

export async function listTasks(context: TaskContext): Promise<readonly TaskSummary[]> {
  const entries = await listRecords(context.paths);
  const known = (await Promise.all(entries.map(({ slug }) => find(context, slug)))).filter((each) => each !== undefined);
  const statuses = await runtimeStatuses(context, known);
  return await Promise.all(known.map(async (each) => await summarise(context, each, statuses.get(each.task.slug) ?? 'missing')));
}

export async function describeTask(context: TaskContext, slug: string): Promise<TaskStatus> {
  const known = await find(context, slug);
  if (known === undefined)
    throw new TerokError('NOT_FOUND', `The task \`${slug}\` has no record yet.`, { hint: 'List the tasks with `terok list`.' });
  const { task, record } = known;
  const [statuses, network] = await Promise.all([runtimeStatuses(context, [known]), sealedNetworkStatus(bottleDirs(context.paths, slug))]);
  const policy = record.plan === undefined ? undefined : (await taskPolicy(context, slug)).policy;
  const { spec, missingLimits } = record.plan ?? { spec: undefined, missingLimits: [] };
  return {
    ...(await summarise(context, known, statuses.get(slug) ?? 'missing')),
    image: task.image,
    limits: spec?.limits ?? { memoryMiB: 0, cpus: 0, pids: 0, files: 0 },
    missingLimits,
    routes: policy?.routes.map(withoutPhantom) ?? [],
    branch: `refs/heads/terok/${slug}`,
    gateway: network.gateway === 'serving' ? 'running' : 'stopped',
    ...(task.status === undefined ? {} : { exit: task.status }),
    notes: [...task.notes, ...(await dataLossNotes(context, slug))],
  };
}

async function find(context: TaskContext, slug: string): Promise<Known | undefined> {
  const [task, record] = await Promise.all([readTask(context.paths, slug), readRecord(context.paths, slug)]);
  return task === undefined || record === undefined ? undefined : { task, record };
}

/** One question per backend; a task whose bottle was removed is not asked for. */
async function runtimeStatuses(context: TaskContext, known: readonly Known[]): Promise<ReadonlyMap<string, BottleStatus>> {
  const backends = [...new Set(known.filter(({ record }) => record.phase !== 'removed').map(({ record }) => record.backend))];
  const lists = await Promise.all(backends.map(async (name) => await (await context.backend(name)).list()));
  return new Map(lists.flat().map(({ id, status }) => [id, status]));
}

async function summarise(context: TaskContext, { task, record }: Known, status: BottleStatus): Promise<TaskSummary> {
  const mark = networkCanaryMark(bottleDirs(context.paths, task.slug));
  const [{ commits }, upstream, sent] = await settleAll([readChanges(task), ageOf(task), mark]);
  return {
    slug: task.slug,
    project: task.project.id,
    backend: task.backend,
    ...(task.agent === undefined ? {} : { agent: task.agent }),
    status,
    sentCanary: sent !== undefined,
    phase: phaseOf(task, record),
    createdAt: task.startedAt,
    source: task.project.source,
    commits: commits.length,
    ports: addressesOf(record),
    ...(upstream === undefined ? {} : { upstream }),
  };
}

/** Undefined where the project has no upstream. */
async function ageOf({ project, gate, base }: TaskRecord): Promise<UpstreamAge | undefined> {
  if (gate === undefined || base === undefined || (await readUpstream(project.dataDir)) === undefined) return undefined;
  return await upstreamAge(gate, base);
}

/** A bottle that was removed has given its address back. */
function addressesOf({ plan, alias }: BottleRecord): readonly PortAddress[] {
  return alias === undefined ? [] : (plan?.spec.ports ?? []).map((port) => ({ address: alias, ...port }));
}

/** `done` and `applied` are of the task; everything else is the bottle's own phase. */
function phaseOf(task: TaskRecord, record: BottleRecord): string {
  if (record.phase !== 'removed') return record.phase;
  return task.appliedAt === undefined ? 'done' : 'applied';
}

function withoutPhantom<T extends { readonly inject?: { readonly phantom: string } }>(route: T): T {
  return route.inject === undefined ? route : { ...route, inject: { ...route.inject, phantom: '…' } };
}
