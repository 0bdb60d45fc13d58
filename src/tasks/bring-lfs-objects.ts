/*
 * Scope: takes the objects of Git LFS that approved work names into the user's repository, where git-lfs looks for them.
 * Out of scope: working files, which `git lfs checkout` makes. Fail-safe direction: an object gets its name when its bytes were seen to
 * have that hash; one that is already there stays.
 */
import path from 'node:path';
import { gitText } from '../core/index.ts';
import { lfsPointersOf, openTaskRepository, type Review, resolveTask, taskLfsDir } from '../projects/git/index.ts';
import { copyLfsObject, parseLfsPointer } from '../sidecars/git-gate/index.ts';
import { gateOf } from './repository.ts';
import type { TaskRecord } from './task-record.ts';

/** Throws REFUSED where an object is not what its name says. One that the gate does not have is in the repository, or nowhere. */
export async function bringLfsObjects(task: TaskRecord, { new: tip }: Review): Promise<void> {
  if (!task.project.isGit) return;
  const gate = gateOf(task);
  const repository = await openTaskRepository(gate, task.slug);
  const pointers = await lfsPointersOf(repository, tip, await resolveTask(repository));
  if (pointers.length === 0) return;
  const common = await gitText(task.project.source, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
  for (const pointer of pointers) {
    const object = parseLfsPointer(pointer);
    if (object !== undefined) await copyLfsObject(object, taskLfsDir(gate, task.slug), path.join(common, 'lfs/objects'));
  }
}
