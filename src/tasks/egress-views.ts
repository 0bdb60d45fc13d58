/** What `terok egress show`, `sets` and `test` say. */
import { findAgent, loadRoster, planAgent } from '../agents/index.ts';
import { EGRESS_SET_NAMES } from '../core/config/index.ts';
import { parseWireHostName, type Route, TerokError } from '../core/index.ts';
import { blockLabel, type ComposedPolicy, composePolicy, expandSet, hostFiles, listVersions, type StoredRule } from '../policy/index.ts';
import type { Project } from '../projects/index.ts';
import { decide, decideConnection, grantCommand } from '../sidecars/egress/index.ts';
import { storedAccess } from './agent-secrets.ts';
import type { TaskContext } from './context.ts';
import { loadSettings, type ProjectSettings } from './effective-settings.ts';
import type { EgressReport, EgressSet, EgressVerdict, EgressVersion } from './egress-api.ts';
import { egressBase } from './egress-base.ts';
import { projectRulesDir, projectSource, taskPolicy } from './egress-policy.ts';
import type { EgressScope } from './egress-scope.ts';
import { readTask } from './task-record.ts';

/** The policy of a task, or that which a new task of the project would get. */
export async function scopePolicy(context: TaskContext, scope: EgressScope): Promise<ComposedPolicy> {
  return scope.kind === 'task' ? await taskPolicy(context, scope.slug) : await projectPolicy(context, scope.project);
}

async function projectPolicy(context: TaskContext, project: Project): Promise<ComposedPolicy> {
  const config = await loadSettings(context, project);
  const base = await egressBase(context, { config, agent: await plannedAgent(context, config.settings) });
  return composePolicy(base, await projectSource(project));
}

/** The access of the configured agent, as it is or as it will be once its secrets are stored. */
async function plannedAgent(context: TaskContext, { agent: name, models }: ProjectSettings['settings']) {
  if (name === undefined) return undefined;
  const agent = findAgent(await loadRoster(context.paths.config), name);
  const access = await storedAccess(context, agent, models);
  const names = agent.credentials.map(({ secret }) => secret);
  const isUsable = names[agent.credentialUse === 'all' ? 'every' : 'some']((secret) => access.secrets.includes(secret));
  return planAgent({ agent, ...access, ...(isUsable ? {} : { secrets: names }), mode: 'interactive', workDir: '/work' });
}

export async function describePolicy(context: TaskContext, scope: EgressScope): Promise<EgressReport> {
  const { policy, origins } = await scopePolicy(context, scope);
  const ungranted = scope.kind === 'project' ? (await loadSettings(context, scope.project)).ungranted : [];
  return {
    of: scope.label,
    rules: policy.routes.map((route) => ({ name: route.name, origin: origins[route.name] ?? 'the request', route: withoutPhantom(route) })),
    blocks: (policy.blocks ?? []).map((block) => ({ ...block, origin: origins[blockLabel(block)] ?? 'a block of all ports' })),
    notGranted: ungranted,
  };
}

export async function describeVersions(context: TaskContext, scope: EgressScope): Promise<readonly EgressVersion[]> {
  const task = scope.kind === 'task' ? await readTask(context.paths, scope.slug) : undefined;
  const ofTask = scope.kind === 'task' ? await versionsIn(scope.dir, 'task') : [];
  const project = scope.kind === 'project' ? scope.project : task?.project;
  return [...ofTask, ...(project === undefined ? [] : await versionsIn(projectRulesDir(project), 'project'))];
}

async function versionsIn(dir: string, of: EgressVersion['of']): Promise<readonly EgressVersion[]> {
  const versions = await listVersions(dir);
  return versions.map(({ number, at, reason, rules }) => ({ of, number, at, reason, rules: rules.map(ruleLabel) }));
}

function ruleLabel(rule: StoredRule): string {
  if (rule.action === 'block') return `block ${blockLabel(rule.block)}`;
  const { hosts, ports, methods, paths, expiresAt } = rule.route;
  const words = [`allow ${hosts.join(',')}:${ports.join(',')}`, ...(methods ?? []), ...(paths ?? [])];
  return [...words, ...(expiresAt === undefined ? [] : [`until ${expiresAt}`])].join(' ');
}

export async function describeSets(context: TaskContext): Promise<readonly EgressSet[]> {
  const sets = await Promise.all(EGRESS_SET_NAMES.map((name) => expandSet({ name }, hostFiles(context.env))));
  return sets.map(({ registries, routes, name, title, kind, skipped }) => ({
    name,
    title,
    kind,
    routes: routes.map(({ inject: _, ...route }) => JSON.parse(JSON.stringify(route)) as Route),
    from: registries,
    skipped,
  }));
}

/** Judges as the gateway does. Throws USAGE where the address cannot be read. */
export async function testRequest(
  context: TaskContext,
  scope: EgressScope,
  { method, url }: { readonly method: string; readonly url: string },
): Promise<EgressVerdict> {
  const { host, port, target, isHttp } = readUrl(url);
  const { policy, origins } = await scopePolicy(context, scope);
  const asked = { host, port, method };
  const task = scope.kind === 'task' ? scope.slug : `--project ${shellWord(scope.project.source)}`;
  const wanted = { host, port, ...(isHttp ? { method, path: target.split('?', 1)[0] ?? '/' } : {}) };
  const connection = decideConnection(policy, { name: host, port });
  if (!connection.allow) {
    const fix = grantCommand(task, { host, port });
    return { ...asked, allowed: false, reason: connection.reason, message: connection.message, fix };
  }
  const [route] = connection.routes;
  if (connection.mode === 'passthrough')
    return { ...asked, allowed: true, rule: route.name, origin: origins[route.name] ?? 'the request', mode: 'passthrough' };
  const decision = decide(policy, { name: host, port, method, target });
  if (!decision.allow)
    return { ...asked, allowed: false, reason: decision.reason, message: decision.message, fix: grantCommand(task, wanted) };
  const { name } = decision.route;
  return { ...asked, allowed: true, path: decision.path, rule: name, origin: origins[name] ?? 'the request', mode: 'inspect' };
}

const PORTS: Readonly<Record<string, number>> = { https: 443, wss: 443, http: 80, ws: 80, ssh: 22, tcp: 0 };

/** `https://host[:port]/path`, or `host[:port]` as a name alone. */
function readUrl(url: string): { readonly host: string; readonly port: number; readonly target: string; readonly isHttp: boolean } {
  const [, scheme = 'https', authority = '', rest = ''] = /^(?:([a-z]+):\/\/)?([^/?#\s@]+)([/?][^#\s]*)?$/i.exec(url) ?? [];
  const [, text = '', digits] = /^([^:]+)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const host = parseWireHostName(text);
  const port = digits === undefined ? (PORTS[scheme.toLowerCase()] ?? 0) : Number(digits);
  if (host.ok && port > 0 && port < 65_536)
    return {
      host: host.name,
      port,
      target: rest.startsWith('/') ? rest : `/${rest}`,
      isHttp: /^(?:https?|wss?)$/i.test(scheme),
    };
  throw new TerokError('USAGE', `\`${url.slice(0, 200)}\` is no address that a bottle could reach.`, {
    hint: 'Write `https://name/path`, `ssh://name`, or `name:port`; an IP address is never reached.',
  });
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function withoutPhantom(route: Route): Route {
  return route.inject === undefined ? route : { ...route, inject: { ...route.inject, phantom: '…' } };
}
