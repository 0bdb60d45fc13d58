import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadGlobalConfig, loadProjectConfig, mergeSettings, resolveUpstreamProxy } from '../core/config/index.ts';
import { type BackendCapabilities, type BottlePlan, ownFile } from '../core/index.ts';
import { controlProof, loadChannelIdentity } from '../exec-channel/index.ts';
import { digestOfProof, type GatePlan, type GatewayPlan } from '../sidecars/gateway/index.ts';
import { caFiles, canaryFile } from './bottle-identity.ts';
import type { TaskContext } from './context.ts';
import { loadSettings } from './effective-settings.ts';
import { taskPolicy } from './egress-policy.ts';
import { planGate } from './plan-gate.ts';
import { readTask } from './task-record.ts';

interface GatewayInputs {
  readonly gate: GatePlan | undefined;
  readonly alias: string | undefined;
}

/** What the gateway of a bottle needs to know, with the policy and the configuration that hold now. */
export async function planGateway(context: TaskContext, plan: BottlePlan, { gate, alias }: GatewayInputs): Promise<GatewayPlan> {
  const { policy } = await taskPolicy(context, plan.spec.slug, plan.spec.egress);
  const { capabilities } = await context.backend(plan.backend);
  return {
    version: 1,
    slug: plan.spec.slug,
    project: plan.spec.project,
    stateDir: plan.stateDir,
    runtimeDir: plan.runtimeDir,
    namespaceLauncher: plan.namespaceLauncher,
    policy,
    vaultDir: vaultDir(context),
    ca: caFiles(plan.stateDir),
    ...(await configured(context, plan, capabilities)),
    ...(gate === undefined ? {} : { gate }),
    ...(alias === undefined || plan.spec.ports === undefined ? {} : { published: { address: alias, ports: plan.spec.ports } }),
    ...(context.targets === undefined ? {} : { targets: context.targets }),
    // the host does not see the users of another kernel
    ...(capabilities.ownKernel ? { controlProof: digestOfProof(controlProof(await loadChannelIdentity(plan.stateDir))) } : {}),
  };
}

/** Whether the canary is watched, and how this machine reaches the internet. */
async function configured(
  context: TaskContext,
  { spec: { project, slug }, stateDir }: BottlePlan,
  { pausable }: BackendCapabilities,
): Promise<Pick<GatewayPlan, 'canaryFile' | 'onCanary' | 'upstreamCa' | 'upstreamProxy'>> {
  const { canary, ...ways } = await waysOut(context, project);
  const main = ownFile({ source: 'tasks/pause-main.ts', built: 'pause-bottle.js' });
  const onCanary = pausable ? { onCanary: { main, argument: JSON.stringify({ paths: context.paths, slug }) } } : {};
  return {
    ...(canary && existsSync(canaryFile(stateDir)) ? { canaryFile: canaryFile(stateDir), ...onCanary } : {}),
    ...ways,
  };
}

/** How this machine reaches the internet for a project, as its user says. */
export async function waysOut(
  context: TaskContext,
  project: string,
): Promise<Pick<GatewayPlan, 'upstreamCa' | 'upstreamProxy'> & { readonly canary: boolean }> {
  const [global, own] = await Promise.all([loadGlobalConfig(context.paths), loadProjectConfig(context.paths, project)]);
  const { canary, upstreamCa, upstreamProxy: wanted } = mergeSettings(global.value, own.value).settings.egress;
  const upstreamProxy = resolveUpstreamProxy(wanted, context.env);
  return {
    canary: canary !== false,
    ...(upstreamCa === undefined ? {} : { upstreamCa }),
    ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
  };
}

/** The gate of a task, with the rules that hold now. */
export async function knownGate(context: TaskContext, slug: string): Promise<GatePlan | undefined> {
  const task = await readTask(context.paths, slug);
  if (task?.gate === undefined) return undefined;
  const { settings } = await loadSettings(context, task.project);
  return planGate(context, { project: task.project, slug, settings: settings.git, gate: task.gate });
}

/** Directory of the vault. */
export function vaultDir(context: TaskContext): string {
  return path.join(context.paths.data, 'secrets');
}
