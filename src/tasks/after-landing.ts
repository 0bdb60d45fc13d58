/**
 * What is done after approved work arrived: the mark of the task, statements, a pull request. It is written down with the use of the approval,
 * so that the next command does what a killed one did not.
 */
import { isTerokError, messageOf, TerokError } from '../core/index.ts';
import {
  dropStep,
  hasUsedApproval,
  listDecisions,
  settleUses,
  type UsedApproval,
  type UseStep,
  unfinishedUses,
} from '../projects/git/index.ts';
import { openPullRequest, type PullRequest, parseUpstreamUrl, readUpstream } from '../upstream/index.ts';
import { Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { openUpstream } from './open-upstream.ts';
import { vaultDir } from './plan-gateway.ts';
import { openProjectRoad } from './project-road.ts';
import { pushProvenance, stateProvenance } from './provenance.ts';
import { readTipOf } from './read-tip.ts';
import { gateOf } from './repository.ts';
import { type TaskRecord, updateTask } from './task-record.ts';

type Step<Kind extends UseStep['kind']> = Extract<UseStep, { readonly kind: Kind }>;

/** Signs statements where the work is now; throws where that fails, and is not tried again. */
export async function takeStatements(context: TaskContext, task: TaskRecord, approval: UsedApproval): Promise<void> {
  try {
    if (approval.use.target.kind !== 'upstream') await stateProvenance(context, task, approval);
    else await pushProvenance(context, task, approval, await openUpstream(context, task.project));
  } finally {
    await dropStep(gateOf(task), task.slug, approval, { kind: 'statements' });
  }
}

/** Opens the pull request, or gives the one that is open; throws where that fails, and is not tried again. */
export async function takeRequest(
  context: TaskContext,
  task: TaskRecord,
  { approval, step }: { readonly approval: UsedApproval; readonly step: Step<'request'> },
): Promise<PullRequest> {
  try {
    const record = await readUpstream(task.project.dataDir);
    if (record?.forge === undefined) throw new TerokError('WRONG_STATE', 'The project names no forge any more.');
    const { kind: _, ...wish } = step;
    const repository = parseUpstreamUrl(record.url).path;
    const road = await openProjectRoad(context, task.project.id);
    return await openPullRequest({ forge: record.forge, repository, ...wish }, new Vault(vaultDir(context)), road);
  } finally {
    await dropStep(gateOf(task), task.slug, approval, step);
  }
}

/** Marks that work of the task is in the user's repository or directory. */
export async function markApplied(context: TaskContext, slug: string): Promise<void> {
  await updateTask(context.paths, slug, (record) => ({ ...record, appliedAt: new Date().toISOString() }));
}

/** Does what a killed command left undone on this machine, without asking an upstream; gives what was done, for a person. */
export async function repairApplied(context: TaskContext, task: TaskRecord): Promise<readonly string[]> {
  return await repairUses(context, task, (kind) => kind !== 'upstream');
}

/** As `repairApplied`, also where the upstream must be asked. */
export async function repairLanded(context: TaskContext, task: TaskRecord): Promise<readonly string[]> {
  return await repairUses(context, task, () => true);
}

async function repairUses(
  context: TaskContext,
  task: TaskRecord,
  isAsked: (kind: UsedApproval['use']['target']['kind']) => boolean,
): Promise<readonly string[]> {
  const gate = gateOf(task);
  if (!(await hasUsedApproval(gate, task.slug))) return [];
  const readTip = readTipOf(context, task);
  await settleUses(gate, task.slug, async (target) => {
    if (isAsked(target.kind)) return await readTip(target);
    throw new TerokError('WRONG_STATE', 'The upstream is not asked now.');
  });
  const said: string[] = [];
  for (const approval of await unfinishedUses(gate, task.slug)) {
    if (!isAsked(approval.use.target.kind)) continue;
    for (const step of approval.use.steps ?? []) said.push(await repairStep(context, task, { approval, step }));
  }
  await markWhereApplied(context, task);
  return said;
}

async function repairStep(
  context: TaskContext,
  task: TaskRecord,
  { approval, step }: { readonly approval: UsedApproval; readonly step: UseStep },
): Promise<string> {
  const what = step.kind === 'statements' ? 'the statements about it' : 'its pull request';
  try {
    if (step.kind === 'statements') await takeStatements(context, task, approval);
    else await takeRequest(context, task, { approval, step });
    return `had ${approval.new.slice(0, 12)} taken by a command that was killed; ${what} came now`;
  } catch (error) {
    if (!isTerokError(error)) throw error;
    return `had ${approval.new.slice(0, 12)} taken by a command that was killed; ${what} could not be made: ${messageOf(error)}`;
  }
}

async function markWhereApplied(context: TaskContext, task: TaskRecord): Promise<void> {
  if (task.appliedAt !== undefined) return;
  const decisions = await listDecisions(gateOf(task), task.slug);
  const isThere = decisions.some(
    (entry) => entry.kind === 'approval' && entry.use?.state === 'done' && entry.use.target.kind !== 'upstream',
  );
  if (isThere) await markApplied(context, task.slug);
}
