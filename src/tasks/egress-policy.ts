/*
 * Scope: the policy that a task has now, and bringing it to a gateway that runs. Out of scope: what a person changes
 * (`egress-changes.ts`). Fail-safe direction: the rules on disk are the truth; a gateway that has others gets them with the next command.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bottleDirs, type EgressPolicy, ignoreCodes, systemCodeOf, TerokError, withLock } from '../core/index.ts';
import { type BottleRecord, readRecord } from '../core/resolve/index.ts';
import { type ComposedPolicy, composePolicy, type PolicySource, readRules } from '../policy/index.ts';
import type { Project } from '../projects/index.ts';
import { EndedRoutes, endedRoutesFile } from '../sidecars/egress/index.ts';
import { type NetworkDirs, sealedNetworkStatus, setNetworkPolicy } from '../sidecars/gateway/index.ts';
import type { TaskContext } from './context.ts';
import { readTask } from './task-record.ts';

export type SyncState = 'applied' | 'unchanged' | 'not-running';

/** A gateway that was killed is back within two seconds. */
const GATEWAY_BACK_MS = 3_000;
const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

export function projectRulesDir(project: Pick<Project, 'dataDir'>): string {
  return path.join(project.dataDir, 'egress');
}

export function taskRulesDir(context: TaskContext, slug: string): string {
  return path.join(bottleDirs(context.paths, slug).stateDir, 'egress');
}

/** The policy of a task: that of its start, what was said about its project, what was said about it. Throws NOT_FOUND, INVALID_ROUTE. */
export async function taskPolicy(context: TaskContext, slug: string, start?: EgressPolicy): Promise<ComposedPolicy> {
  const [task, record] = await Promise.all([readTask(context.paths, slug), readRecord(context.paths, slug)]);
  const policy = start ?? record?.plan?.spec.egress;
  if (task === undefined || policy === undefined)
    throw new TerokError('NOT_FOUND', `The task \`${slug}\` has no policy yet.`, { hint: 'List the tasks with `terok list`.' });
  const sources = [...(await projectSource(task.project)), ...(await sourceOf(taskRulesDir(context, slug), 'the task'))];
  const ended = new EndedRoutes(endedRoutesFile(bottleDirs(context.paths, slug).stateDir));
  const composed = composePolicy({ policy: { ...policy, task: slug }, origins: task.routeOrigins ?? {} }, sources, (route) =>
    ended.isOpen(route),
  );
  ended.save();
  return composed;
}

export async function projectSource(project: Pick<Project, 'dataDir'>): Promise<readonly PolicySource[]> {
  return await sourceOf(projectRulesDir(project), 'the project');
}

async function sourceOf(dir: string, what: string): Promise<readonly PolicySource[]> {
  return [{ origin: `terok egress allow or deny, for ${what}`, rules: (await readRules(dir)).rules }];
}

/** Whether a bottle has a gateway that can be told of a policy. */
export function hasGateway({ phase }: Pick<BottleRecord, 'phase'>): boolean {
  return phase === 'running' || phase === 'sealed';
}

/**
 * Gives a running gateway the policy that holds for its task. Composes and sends under one lock, so that of two changes at the same
 * time the gateway ends with both.
 */
export async function syncPolicy(context: TaskContext, slug: string): Promise<SyncState> {
  const dirs = bottleDirs(context.paths, slug);
  const record = await readRecord(context.paths, slug);
  if (record === undefined || !hasGateway(record)) return 'not-running';
  return await withLock(path.join(dirs.stateDir, 'egress.sync'), async () => {
    const { policy } = await taskPolicy(context, slug);
    return (await policyOnDisk(dirs)) === JSON.stringify(policy) ? 'unchanged' : await send(dirs, policy);
  });
}

async function policyOnDisk({ stateDir }: NetworkDirs): Promise<string | undefined> {
  const text = await ignoreCodes(['ENOENT'], () => readFile(path.join(stateDir, 'gateway.json'), 'utf8'));
  return text === undefined ? undefined : JSON.stringify((JSON.parse(text) as { readonly policy?: unknown }).policy);
}

async function send(dirs: NetworkDirs, policy: EgressPolicy): Promise<SyncState> {
  for (const deadline = Date.now() + GATEWAY_BACK_MS; ; await sleep(20)) {
    try {
      await setNetworkPolicy(dirs, policy);
      return 'applied';
    } catch (error) {
      if (!NOBODY_LISTENS.has(systemCodeOf(error) ?? '')) throw error;
      if (Date.now() > deadline || (await sealedNetworkStatus(dirs)).holder === 'gone') return 'not-running';
    }
  }
}
