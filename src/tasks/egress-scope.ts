import { bottleDirs } from '../core/index.ts';
import { listRecords } from '../core/resolve/index.ts';
import { identifyProject, type Project } from '../projects/index.ts';
import type { TaskContext } from './context.ts';
import type { EgressTargetRef } from './egress-api.ts';
import { projectRulesDir, taskRulesDir } from './egress-policy.ts';

/** Whose rules are meant, where they lie and which tasks they reach. */
export type EgressScope = { readonly label: string; readonly dir: string; readonly tasks: readonly string[] } & (
  | { readonly kind: 'task'; readonly slug: string }
  | { readonly kind: 'project'; readonly project: Project }
);

/** `slugOf` gives the whole name of a task and throws NOT_FOUND. */
export async function egressScope(
  context: TaskContext,
  target: EgressTargetRef,
  slugOf: (text: string) => Promise<string>,
): Promise<EgressScope> {
  if ('task' in target) {
    const slug = await slugOf(target.task);
    return { kind: 'task', label: `task ${slug}`, slug, dir: taskRulesDir(context, slug), tasks: [slug] };
  }
  const project = await identifyProject(context.paths, target.directory);
  return {
    kind: 'project',
    label: `project ${project.id}`,
    project,
    dir: projectRulesDir(project),
    tasks: await tasksOf(context, project),
  };
}

async function tasksOf(context: TaskContext, project: Project): Promise<readonly string[]> {
  const entries = await listRecords(context.paths);
  return entries.flatMap((entry) =>
    entry.kind === 'record' && entry.record.project === project.id && entry.record.plan !== undefined && entry.record.phase !== 'removed'
      ? [entry.slug]
      : [],
  );
}

export function auditFile(context: TaskContext, slug: string): string {
  return `${bottleDirs(context.paths, slug).stateDir}/audit.jsonl`;
}
