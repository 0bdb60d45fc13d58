/** What the configuration, the agent and the request let a task reach, each route with its origin; before what a person says later. */
import type { AgentPlan } from '../agents/index.ts';
import type { EgressPolicy, Route } from '../core/index.ts';
import { type ConfiguredRoute, mergeRoutes, parseEgressPolicy, parseRoutes } from '../core/resolve/index.ts';
import { type ExpandedSet, expandSet, hostFiles } from '../policy/index.ts';
import type { TaskContext } from './context.ts';
import type { ProjectSettings } from './effective-settings.ts';
import { mintRouteCredentials } from './route-credentials.ts';

export interface EgressBase {
  readonly policy: EgressPolicy;
  /** Name of a route → where it comes from */
  readonly origins: Readonly<Record<string, string>>;
  /** Variable of the bottle → worthless token */
  readonly env: Readonly<Record<string, string>>;
}

export interface EgressBaseInputs {
  readonly config: Pick<ProjectSettings, 'settings' | 'global'>;
  readonly agent: Pick<AgentPlan, 'agent' | 'env' | 'routes' | 'hiddenNames'> | undefined;
  /** Routes of the request itself */
  readonly routes?: readonly Route[];
}

/** Throws INVALID_ROUTE, INVALID_CONFIG. */
export async function egressBase(context: TaskContext, { config, agent, routes = [] }: EgressBaseInputs): Promise<EgressBase> {
  const taken = [...Object.keys(agent?.env ?? {}), ...(agent?.hiddenNames ?? [])];
  const sets = await Promise.all(config.settings.egress.sets.map((wish) => expandSet(wish, hostFiles(context.env))));
  const ofSets = sets.map((set) => ({ set, routes: set.routes.filter((route) => isNeeded(route, taken)) }));
  const configured = config.settings.egress.routes;
  const own = mintRouteCredentials([...configured, ...ofSets.flatMap((each) => each.routes)], taken);
  const merged = mergeRoutes(agent?.routes ?? [], parseRoutes(own.routes, 'egress.routes'), parseRoutes(routes, 'the request'));
  const origins = [
    ...(agent?.routes ?? []).map(({ name }) => [name, `agent ${agent?.agent}`] as const),
    ...configured.map(({ name }) => [name, originOf(name, config)] as const),
    ...ofSets.flatMap((each) => each.routes.map(({ name }) => [name, setOrigin(each.set)] as const)),
    ...routes.map(({ name }) => [name, 'the request'] as const),
  ];
  return { policy: parseEgressPolicy(merged, 'the policy of the task'), origins: Object.fromEntries(origins), env: own.env };
}

/** The agent's own access to a provider makes that of a set needless. */
function isNeeded({ inject }: ConfiguredRoute, taken: readonly string[]): boolean {
  return inject === undefined || !taken.includes(inject.env);
}

function originOf(name: string, { global }: EgressBaseInputs['config']): string {
  return global.egress?.routes.some((route) => route.name === name) === true ? 'config.yml' : 'configuration of the project';
}

function setOrigin({ name, registries }: ExpandedSet): string {
  const files = [...new Set(registries.map(({ from }) => from))];
  return files.length === 0 ? `set ${name}` : `set ${name} (${files.join(', ')})`;
}
