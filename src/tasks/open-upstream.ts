import { TerokError } from '../core/index.ts';
import type { Project } from '../projects/index.ts';
import { knownHostsFile, projectKeyFile, readUpstream, rootsFile, Upstream } from '../upstream/index.ts';
import { Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { vaultDir } from './plan-gateway.ts';
import { openProjectRoad } from './project-road.ts';
import { taskKeyFile } from './task-keys.ts';

/** The upstream of a project, with the credential that its user named or the key of a task; throws NOT_FOUND where there is none. */
export async function openUpstream(context: TaskContext, project: Pick<Project, 'id' | 'dataDir'>, slug?: string): Promise<Upstream> {
  const record = await readUpstream(project.dataDir);
  if (record === undefined)
    throw new TerokError('NOT_FOUND', `The project \`${project.id}\` has no upstream.`, {
      hint: 'Name it with `terok git upstream set URL`.',
    });
  const dir = vaultDir(context);
  return await Upstream.open({
    record,
    vault: new Vault(dir),
    road: await openProjectRoad(context, project.id),
    keyFile: (slug === undefined ? undefined : taskKeyFile(context, slug)) ?? projectKeyFile(dir, project.id),
    knownHostsFile: knownHostsFile(project.dataDir),
    rootsFile: rootsFile(project.dataDir),
    env: context.env,
  });
}
