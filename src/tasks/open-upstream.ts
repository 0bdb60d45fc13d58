import { TerokError } from '../core/index.ts';
import type { Project } from '../projects/index.ts';
import { knownHostsFile, projectKeyFile, readUpstream, rootsFile, Upstream } from '../upstream/index.ts';
import { openRoad, Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { vaultDir, waysOut } from './plan-gateway.ts';
import { taskKeyFile } from './task-keys.ts';

/** The upstream of a project, with the credential that its user named or the key of a task; throws NOT_FOUND where there is none. */
export async function openUpstream(context: TaskContext, project: Pick<Project, 'id' | 'dataDir'>, slug?: string): Promise<Upstream> {
  const record = await readUpstream(project.dataDir);
  if (record === undefined)
    throw new TerokError('NOT_FOUND', `The project \`${project.id}\` has no upstream.`, {
      hint: 'Name it with `terok git upstream set URL`.',
    });
  const dir = vaultDir(context);
  const vault = new Vault(dir);
  const { upstreamCa, upstreamProxy: proxy } = await waysOut(context, project.id);
  return await Upstream.open({
    record,
    vault,
    road: await openRoad(vault, { caFiles: upstreamCa === undefined ? [] : [upstreamCa], ...(proxy === undefined ? {} : { proxy }) }),
    keyFile: (slug === undefined ? undefined : taskKeyFile(context, slug)) ?? projectKeyFile(dir, project.id),
    knownHostsFile: knownHostsFile(project.dataDir),
    rootsFile: rootsFile(project.dataDir),
    env: context.env,
  });
}
