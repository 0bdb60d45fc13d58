/** The task layer's side of provenance: what is stated about a commit that was taken, and the check of it. */
import { gitText } from '../core/index.ts';
import { readRecord } from '../core/resolve/index.ts';
import {
  type Approval,
  commitsWithTrees,
  ensureSigningKey,
  openScratchRepository,
  PROVENANCE_NOTES,
  type Statement,
  verifyProvenance,
  writeProvenance,
} from '../projects/git/index.ts';
import { identifyProject } from '../projects/index.ts';
import type { Upstream } from '../upstream/index.ts';
import type { TaskContext } from './context.ts';
import type { EgressLogEntry } from './egress-api.ts';
import { readDecisions } from './egress-log.ts';
import { auditFile } from './egress-scope.ts';
import { gateOf } from './repository.ts';
import type { TaskRecord } from './task-record.ts';

/** Hosts, and routes, that a statement names */
const MAX_HOSTS = 50;
/** Decisions that a statement counts, the newest ones */
const MAX_DECISIONS = 100_000;

/** Signs where the applied commits come from, as notes in the user's repository. */
export async function stateProvenance(context: TaskContext, task: TaskRecord, approval: Approval): Promise<void> {
  const { source } = task.project;
  await writeProvenance(source, await statementsOf(context, task, approval, source), await ensureSigningKey(context.paths.data));
}

/** Signs where the pushed commits come from, and adds that to the notes of the upstream. */
export async function pushProvenance(context: TaskContext, task: TaskRecord, approval: Approval, upstream: Upstream): Promise<void> {
  await using scratch = await openScratchRepository(gateOf(task), task.slug);
  const { directory } = scratch;
  const expected = await upstream.fetchRef(directory, PROVENANCE_NOTES, PROVENANCE_NOTES);
  const statements = await statementsOf(context, task, approval, directory);
  await writeProvenance(directory, statements, await ensureSigningKey(context.paths.data));
  const next = await gitText(directory, ['rev-parse', '--verify', PROVENANCE_NOTES]);
  await upstream.push(directory, { ref: PROVENANCE_NOTES, next, expected });
}

async function statementsOf(context: TaskContext, task: TaskRecord, approval: Approval, repository: string): Promise<readonly Statement[]> {
  const common = {
    version: 1,
    task: task.slug,
    ...(task.agent === undefined ? {} : { agent: task.agent }),
    image: task.image,
    ...(task.imageId === undefined ? {} : { imageId: task.imageId }),
    approved: approval.new,
    policy: approval.policy,
    review: approval.review,
    egress: await summariseEgress(context, task.slug),
    approver: approval.by,
    approvedAt: approval.at,
  } as const;
  return (await commitsWithTrees(repository, approval)).map((commit) => ({ ...common, ...commit }));
}

async function summariseEgress(context: TaskContext, slug: string): Promise<Statement['egress']> {
  const routes = (await readRecord(context.paths, slug))?.plan?.spec.egress.routes ?? [];
  const entries = await readDecisions(auditFile(context, slug), slug, { limit: MAX_DECISIONS, deniedOnly: false });
  return {
    routes: routes.length,
    hosts: [...new Set(routes.flatMap(({ hosts }) => hosts))].sort().slice(0, MAX_HOSTS),
    decisions: { ...count(entries), byRoute: countByRoute(entries) },
  };
}

function countByRoute(entries: readonly EgressLogEntry[]): { route: string; allowed: number; denied: number }[] {
  const named = entries.flatMap((entry) => (entry.route === undefined ? [] : [{ ...entry, route: entry.route }]));
  const groups = Map.groupBy(named, ({ route }) => route);
  return [...groups]
    .map(([route, group]) => ({ route, ...count(group) }))
    .sort((a, b) => (a.route < b.route ? -1 : 1))
    .slice(0, MAX_HOSTS);
}

function count(entries: readonly EgressLogEntry[]): { readonly allowed: number; readonly denied: number } {
  const denied = entries.filter(({ decision }) => decision === 'deny').length;
  return { allowed: entries.length - denied, denied };
}

export async function checkProvenance(context: TaskContext, source: string, revision: string): Promise<Statement> {
  const project = await identifyProject(context.paths, source);
  return await verifyProvenance(project.source, revision, await ensureSigningKey(context.paths.data));
}
