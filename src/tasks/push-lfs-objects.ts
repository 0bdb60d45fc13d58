import path from 'node:path';
import { gitText, TerokError } from '../core/index.ts';
import { lfsPointersOf, resolveTask, taskLfsDir } from '../projects/git/index.ts';
import { openLfsObject, parseLfsPointer } from '../sidecars/git-gate/index.ts';
import type { Upstream } from '../upstream/index.ts';
import { gateOf } from './repository.ts';
import type { TaskRecord } from './task-record.ts';

/** Objects of Git LFS that work brings. Throws REFUSED where the upstream cannot be given any. */
export async function lfsObjectsFor(
  upstream: Upstream,
  repository: string,
  tip: string,
): Promise<readonly { readonly oid: string; readonly size: number }[]> {
  const pointers = await lfsPointersOf(repository, tip, await resolveTask(repository));
  if (pointers.length > 0 && !upstream.takesLfs) {
    throw new TerokError('REFUSED', 'The work brings files of Git LFS, whose objects terok does not take to an SSH upstream.', {
      hint: 'Take it with `terok apply`, which brings the objects as well, and push from your repository with `git lfs` installed.',
    });
  }
  const objects = pointers.flatMap((pointer) => parseLfsPointer(pointer) ?? []);
  return [...new Map(objects.map((object) => [object.oid, object])).values()];
}

/** Takes objects from the gate, or from the user's repository, to the upstream. */
export async function pushLfsObjects(
  upstream: Upstream,
  task: TaskRecord,
  objects: readonly { readonly oid: string; readonly size: number }[],
): Promise<void> {
  if (objects.length === 0) return;
  const own = taskLfsDir(gateOf(task), task.slug);
  const offered = task.project.isGit ? path.join(await commonDirectory(task), 'lfs/objects') : undefined;
  await upstream.uploadLfs(objects, async (oid) => (await openLfsObject(own, oid)) ?? (await openLfsObject(offered, oid)));
}

async function commonDirectory({ project }: TaskRecord): Promise<string> {
  return await gitText(project.source, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
}
