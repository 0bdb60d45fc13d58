import { TerokError } from '../core/index.ts';
import { openTaskRepository, type ReadTip, readLocalTip } from '../projects/git/index.ts';
import type { Upstream } from '../upstream/index.ts';
import type { TaskContext } from './context.ts';
import { openUpstream } from './open-upstream.ts';
import { gateOf } from './repository.ts';
import type { TaskRecord } from './task-record.ts';

/** Reads what a branch names in any place where approved work of a task may go. */
export function readTipOf(context: TaskContext, task: TaskRecord): ReadTip {
  const gate = gateOf(task);
  return async (target) => {
    if (target.kind !== 'upstream') return await readLocalTip(gate, task.slug, target);
    const upstream = await openUpstream(context, task.project);
    return await readUpstreamTip(upstream, await openTaskRepository(gate, task.slug), target);
  };
}

/** Throws WRONG_STATE where the project has another upstream by now. */
export async function readUpstreamTip(
  upstream: Upstream,
  repository: string,
  { name, ref }: { readonly name: string; readonly ref: string },
): Promise<string | undefined> {
  if (upstream.url !== name) {
    throw new TerokError('WRONG_STATE', `The upstream of the project is \`${upstream.url}\` by now, not \`${name}\`.`, {
      hint: 'Approve the work again: `terok approve TASK`.',
    });
  }
  return (await upstream.branches(repository)).branches.get(ref.slice('refs/heads/'.length));
}
