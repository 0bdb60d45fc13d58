/** Turns a request, the configuration and an agent's roster entry into everything that a task needs, before anything is made. */
import path from 'node:path';
import { AGENT_HOME, type AgentPlan, findAgent, loadRoster, planAgent } from '../agents/index.ts';
import type { EffectiveSettings } from '../core/config/index.ts';
import { type BottleSpec, type EgressPolicy, mergePorts, type ResourceLimits, TerokError, uncheckedGateHosts } from '../core/index.ts';
import { parseEgressPolicy, resolveEnvironment, withTrust } from '../core/resolve/index.ts';
import { hostOfUrl, remoteHosts } from '../projects/git/index.ts';
import type { Project } from '../projects/index.ts';
import { readUpstream } from '../upstream/index.ts';
import { storedAccess } from './agent-secrets.ts';
import type { RunRequest } from './api.ts';
import { TRUST_PATHS } from './bottle-identity.ts';
import type { TaskContext } from './context.ts';
import type { ProjectSettings } from './effective-settings.ts';
import { type EgressBase, egressBase } from './egress-base.ts';

/** What runs in the bottle, and what it brings along. */
export interface Workload {
  readonly argv: readonly string[];
  readonly agent: AgentPlan | undefined;
  /** Names for `ensureImage` */
  readonly agents: readonly string[];
}

export function workDirOf(project: Project): string {
  return path.posix.join('/work', project.name);
}

/** An agent of the roster, or any command; throws USAGE where the request names neither. */
export async function planWorkload(
  context: TaskContext,
  request: RunRequest,
  settings: EffectiveSettings,
  project: Project,
): Promise<Workload> {
  if (request.command !== undefined && request.command.length > 0) return { argv: request.command, agent: undefined, agents: [] };
  const name = request.agent ?? settings.agent;
  if (name === undefined) {
    throw new TerokError('USAGE', 'The task says neither which agent nor which command to run.', {
      hint: '`terok run DIR --agent claude -p "…"`, or `terok run DIR -- COMMAND …`.',
    });
  }
  const entry = findAgent(await loadRoster(context.paths.config), name);
  const model = request.model ?? settings.models[name]?.model ?? settings.model;
  const agent = planAgent({
    agent: entry,
    ...(await storedAccess(context, entry, settings.models)),
    mode: request.interactive === true ? 'interactive' : 'headless',
    workDir: workDirOf(project),
    ...(request.prompt === undefined ? {} : { prompt: request.prompt }),
    ...(model === undefined ? {} : { model }),
    ...(request.agentArgs === undefined ? {} : { extraArgs: request.agentArgs }),
  });
  return { argv: agent.argv, agent, agents: [name] };
}

export interface SpecInputs {
  readonly project: Project;
  readonly config: ProjectSettings;
  readonly workload: Workload;
}

export interface Specified {
  readonly spec: Omit<BottleSpec, 'slug' | 'image'>;
  readonly origins: EgressBase['origins'];
}

/** The bottle that the task asks for, but its name and image; throws INVALID_ROUTE, INVALID_CONFIG, SECRET_MISSING. */
export async function specify(context: TaskContext, request: RunRequest, inputs: SpecInputs): Promise<Specified> {
  const { workload, config } = inputs;
  const { settings } = config;
  const agentNames = [...Object.keys(workload.agent?.env ?? {}), ...(workload.agent?.hiddenNames ?? [])];
  const egress = await egressBase(context, { config, agent: workload.agent, routes: request.routes ?? [] });
  const environment = await resolveEnvironment(
    { ...settings.env, ...literal(request.env) },
    {
      hostEnv: context.env,
      interactive: false,
      ownedNames: [...agentNames, ...Object.keys(egress.env)],
    },
  );
  const ports = mergePorts(settings.ports, request.ports ?? []);
  const spec = {
    project: inputs.project.id,
    env: { ...withTrust({ ...environment.plain, ...workload.agent?.env, ...egress.env }, TRUST_PATHS), HOME: AGENT_HOME },
    limits: { ...settings.limits, ...definedLimits(request.limits) },
    unenforcedLimits: [...new Set([...settings.unenforcedLimits, ...(request.allowUnenforced ?? [])])],
    sudo: request.sudo ?? settings.sudo,
    egress: await withOneRoad(egress.policy, inputs.project),
    ...(ports.length === 0 ? {} : { ports }),
  };
  return { spec, origins: egress.origins };
}

/** Where the repository comes from, and where its work goes. */
async function ownedHosts(project: Project): Promise<readonly string[]> {
  const [remotes, upstream] = await Promise.all([remoteHosts(project.source), readUpstream(project.dataDir)]);
  const named = upstream === undefined ? [] : [upstream.url, ...(upstream.forge === undefined ? [] : [upstream.forge.api])];
  return [...new Set([...remotes, ...named.flatMap(hostOfUrl)])].sort().slice(0, MAX_GATE_HOSTS);
}

/** The policy has the same limit */
const MAX_GATE_HOSTS = 100;

/** The policy with the hosts that the gate is the only road to; throws INVALID_ROUTE where a route would go past it unseen. */
async function withOneRoad(merged: EgressPolicy, project: Project): Promise<EgressPolicy> {
  const gateHosts = await ownedHosts(project);
  const policy = parseEgressPolicy({ ...merged, ...(gateHosts.length === 0 ? {} : { gateHosts }) }, 'the policy of the task');
  for (const route of policy.routes) {
    const [host] = uncheckedGateHosts(policy, route);
    if (host === undefined) continue;
    throw new TerokError(
      'INVALID_ROUTE',
      `The route \`${route.name}\` passes \`${host}\` through unseen, and only the gate may write there.`,
      {
        context: { route: route.name, host },
        hint: 'Use the mode `inspect`, which lets reading through, or set `forgeWrites: true` on that route.',
      },
    );
  }
  return policy;
}

/** Values of a request are meant as they are: a dollar sign in them refers to nothing. */
function literal(env: RunRequest['env'] = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.replaceAll('$', '$$$$')]));
}

function definedLimits(limits: Partial<ResourceLimits> | undefined): Partial<ResourceLimits> {
  return Object.fromEntries(Object.entries(limits ?? {}).filter(([, value]) => value !== undefined));
}
