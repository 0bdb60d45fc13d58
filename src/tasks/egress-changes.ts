/*
 * Scope: what `terok egress allow` and `deny` do: a new version of the rules on disk, then every gateway that it concerns. Out of scope:
 * composing (`policy/`). Fail-safe direction: nothing is written that does not compose for every task concerned; what is written holds,
 * also where terok is killed before a gateway was told.
 */
import { endAfter, type HostBlock, hostPatternCovers, msLeft, type Route, readClock, TerokError } from '../core/index.ts';
import { parseEgressPolicy, parseRoutes } from '../core/resolve/index.ts';
import { blockLabel, changeRules, composePolicy, type StoredRule } from '../policy/index.ts';
import type { TaskContext } from './context.ts';
import type { DenyRequest, EgressChange, GrantRequest } from './egress-api.ts';
import { syncPolicy, taskPolicy } from './egress-policy.ts';
import type { EgressScope } from './egress-scope.ts';
import { scopePolicy } from './egress-views.ts';

const HTTP_PORTS = new Set([80, 443]);

export async function grant(context: TaskContext, scope: EgressScope, request: Omit<GrantRequest, 'target'>): Promise<EgressChange> {
  const route = await toRoute(context, scope, request);
  return { ...(await grantRoutes(context, scope, [route], request.reason)), route };
}

/** Adds allowances, and takes back blocks that name exactly what they open. */
export async function grantRoutes(
  context: TaskContext,
  scope: EgressScope,
  routes: readonly Route[],
  reason: string,
): Promise<EgressChange> {
  const version = await changeRules(scope.dir, reason, async (rules) => {
    const kept = rules.filter((rule) => !hasEnded(rule) && !(rule.action === 'allow' && routes.some((route) => isSame(rule.route, route))));
    const next: StoredRule[] = [...kept, ...routes.map((route) => ({ action: 'allow' as const, route }))];
    await assertHolds(context, scope, routes);
    return next;
  });
  return { of: scope.label, version: version.number, removed: [], tasks: await tellGateways(context, scope) };
}

/** Removes allowances of exactly this host and port, and blocks it, because other routes may cover it, now or later. */
export async function refuse(context: TaskContext, scope: EgressScope, request: Omit<DenyRequest, 'target'>): Promise<EgressChange> {
  const block = readBlock(request);
  const undo = request.undo === true;
  const removed: string[] = [];
  const version = await changeRules(scope.dir, request.reason, (rules) => {
    if (undo) return withoutBlock(rules, block);
    const gone = rules.filter((rule) =>
      rule.action === 'allow' ? isExactly(rule.route, block) || hasEnded(rule) : isSameBlock(rule.block, block),
    );
    removed.push(...gone.flatMap((rule) => (rule.action === 'allow' ? [rule.route.name] : [])));
    return [...rules.filter((rule) => !gone.includes(rule)), { action: 'block', block }];
  });
  const tasks = await tellGateways(context, scope);
  return { of: scope.label, version: version.number, ...(undo ? {} : { block }), removed, tasks };
}

function withoutBlock(rules: readonly StoredRule[], block: HostBlock): readonly StoredRule[] {
  const left = rules.filter((rule) => rule.action === 'allow' || !isSameBlock(rule.block, block));
  if (left.length < rules.length) return left;
  throw new TerokError('NOT_FOUND', `There is no block of \`${block.host}${block.port === undefined ? '' : `:${block.port}`}\` here.`, {
    hint: '`terok egress show` lists the blocks, and whether each is of the task or of the project.',
  });
}

async function toRoute(context: TaskContext, scope: EgressScope, request: Omit<GrantRequest, 'target'>): Promise<Route> {
  const { host, port = 443, methods, paths, privateNetworks, forMs } = request;
  const fields = {
    hosts: [host],
    ports: [port],
    mode: request.mode ?? (await usualMode(context, scope, { host, port, judges: methods !== undefined || paths !== undefined })),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
    ...(privateNetworks === undefined ? {} : { privateNetworks }),
    ...(forMs === undefined ? {} : endAfter(forMs)),
  };
  const name = `allow-${host.replace(/^\*\./, 'any.').slice(0, 80)}`.replace(/[^a-z0-9._-]/g, '-');
  const [route] = parseRoutes([{ name, ...fields }], 'the allowance');
  if (route === undefined) throw new TerokError('INVALID_ROUTE', 'The allowance names nothing.');
  return route;
}

async function usualMode(
  context: TaskContext,
  scope: EgressScope,
  { host, port, judges }: { readonly host: string; readonly port: number; readonly judges: boolean },
): Promise<Route['mode']> {
  const { policy } = await scopePolicy(context, scope);
  const known = policy.routes.find(({ hosts, ports }) => hosts.includes(host) && ports.includes(port));
  return known?.mode ?? (judges || HTTP_PORTS.has(port) ? 'inspect' : 'passthrough');
}

/** Composes what the change would give for the scope and each of its tasks. Throws INVALID_ROUTE, WRONG_STATE. */
async function assertHolds(context: TaskContext, scope: EgressScope, routes: readonly Route[]): Promise<void> {
  const added = { origin: 'the change', rules: routes.map((route) => ({ action: 'allow' as const, route })) };
  const policies = scope.kind === 'task' ? [] : [await scopePolicy(context, scope)];
  for (const before of [...policies, ...(await Promise.all(scope.tasks.map((slug) => taskPolicy(context, slug))))]) {
    const { policy } = composePolicy(before, [added]);
    for (const target of routes.flatMap(targetsOf)) {
      const block = policy.blocks?.find(({ host, port }) => hostPatternCovers(host, target.name) && (port ?? target.port) === target.port);
      if (block !== undefined) throw stillBlocked(scope, target.name, block, before.origins[blockLabel(block)]);
    }
  }
}

function targetsOf({ hosts, ports }: Route): readonly { readonly name: string; readonly port: number }[] {
  return hosts.filter((host) => !host.startsWith('*.')).flatMap((name) => ports.map((port) => ({ name, port })));
}

function stillBlocked(scope: EgressScope, name: string, block: HostBlock, origin = ''): TerokError {
  const label = `${block.host}${block.port === undefined ? '' : `:${block.port}`}`;
  const where = scope.kind === 'task' && !origin.includes('the project') ? scope.slug : '--project DIR';
  return new TerokError('WRONG_STATE', `\`${name}\` stays blocked by the block of \`${label}\`.`, {
    hint: `Take that block back first: \`terok egress deny --undo ${where} '${label}'\`.`,
  });
}

/** Each gateway once its rules are on disk; one that cannot be told does not keep the others from it. */
async function tellGateways(context: TaskContext, scope: EgressScope): Promise<EgressChange['tasks']> {
  const told = scope.tasks.map(async (slug) => {
    const begin = performance.now();
    const state = await syncPolicy(context, slug);
    return { slug, state, ms: Math.round((performance.now() - begin) * 10) / 10 };
  });
  const settled = await Promise.allSettled(told);
  for (const each of settled) if (each.status === 'rejected') throw each.reason;
  return await Promise.all(told);
}

function readBlock({ host, port }: Pick<DenyRequest, 'host' | 'port'>): HostBlock {
  const { blocks = [] } = parseEgressPolicy(
    { version: 1, routes: [], blocks: [{ host, ...(port === undefined ? {} : { port }) }] },
    'the block',
  );
  const [block] = blocks;
  if (block === undefined) throw new TerokError('INVALID_ROUTE', 'The block names nothing.');
  return block;
}

function isExactly({ hosts, ports }: Route, block: HostBlock): boolean {
  return hosts.every((host) => host === block.host) && (block.port === undefined || ports.every((port) => port === block.port));
}

function isSameBlock(one: HostBlock, other: HostBlock): boolean {
  return one.host === other.host && one.port === other.port;
}

/** Same but for its end: a new grant takes the place of the old one. */
function isSame(one: Route, other: Route): boolean {
  const bare = ({ expiresAt: _, bootEnd: __, ...route }: Route): string => JSON.stringify(route);
  return bare(one) === bare(other);
}

function hasEnded(rule: StoredRule): boolean {
  return rule.action === 'allow' && msLeft(rule.route, readClock()) <= 0;
}
