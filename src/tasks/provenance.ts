/** The task layer's side of provenance: what is stated about a commit that was taken, and the check of it. */
import { TerokError } from '../core/index.ts';
import { readRecord } from '../core/resolve/index.ts';
import { type Approval, ensureSigningKey, type Statement, verifyProvenance, writeProvenance } from '../projects/git/index.ts';
import { identifyProject } from '../projects/index.ts';
import type { TaskContext } from './context.ts';
import type { TaskRecord } from './task-record.ts';

/** Hosts that a statement names */
const MAX_HOSTS = 50;

/** Signs where an applied commit comes from, as a note in the user's repository. */
export async function stateProvenance(context: TaskContext, task: TaskRecord, approval: Approval): Promise<void> {
  if (!task.project.isGit) throw new TerokError('USAGE', 'A directory without git carries no statements.');
  const record = await readRecord(context.paths, task.slug);
  const routes = record?.plan?.spec.egress.routes ?? [];
  const statement: Statement = {
    version: 1,
    commit: approval.new,
    tree: approval.tree,
    task: task.slug,
    ...(task.agent === undefined ? {} : { agent: task.agent }),
    image: task.image,
    policy: approval.policy,
    review: approval.review,
    egress: { routes: routes.length, hosts: [...new Set(routes.flatMap(({ hosts }) => hosts))].sort().slice(0, MAX_HOSTS) },
    approver: approval.by,
    approvedAt: approval.at,
  };
  await writeProvenance(task.project.source, statement, await ensureSigningKey(context.paths.data));
}

export async function checkProvenance(context: TaskContext, source: string, revision: string): Promise<Statement> {
  const project = await identifyProject(context.paths, source);
  return await verifyProvenance(project.source, revision, await ensureSigningKey(context.paths.data));
}
