import type { HostRoad } from '../core/index.ts';
import { openRoad, Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { vaultDir, waysOut } from './plan-gateway.ts';

/** How this machine reaches the upstream and the forge of a project. Throws SECRET_MISSING, GATEWAY_FAILED, INVALID_CONFIG. */
export async function openProjectRoad(context: TaskContext, project: string): Promise<HostRoad> {
  const { upstreamCa, upstreamProxy: proxy } = await waysOut(context, project);
  const caFiles = upstreamCa === undefined ? [] : [upstreamCa];
  return await openRoad(new Vault(vaultDir(context)), { caFiles, ...(proxy === undefined ? {} : { proxy }) });
}
