/** The smallest routes that would have let through what a task tried and was refused. */
import type { Route } from '../core/index.ts';
import { parseHostName } from '../core/index.ts';
import { parseRoutes } from '../core/resolve/index.ts';
import type { ComposedPolicy } from '../policy/index.ts';
import { decide, decideConnection, grantCommand, pathPrefix } from '../sidecars/egress/index.ts';
import type { EgressLogEntry, EgressProposal } from './egress-api.ts';
import { isPlainName } from './egress-log.ts';

/** What one host and port was asked for. */
interface Tried {
  readonly host: string;
  readonly port: number;
  readonly methods: Set<string>;
  readonly paths: Set<string>;
}

/** More different prefixes than this are one API, and its common prefix is clearer. */
const MAX_PATHS = 6;
const READ = ['GET', 'HEAD'];

export async function propose(slug: string, entries: readonly EgressLogEntry[], { policy }: ComposedPolicy): Promise<EgressProposal> {
  const tried = new Map<string, Tried>();
  for (const entry of entries.filter((each) => isOpenQuestion(each, policy))) collect(tried, entry);
  const routes = parseRoutes([...tried.values()].map(toRoute), 'what was learned');
  const { stringify } = await import('yaml');
  return {
    task: slug,
    routes,
    yaml: routes.length === 0 ? '' : stringify({ egress: { routes } }),
    commands: routes.map((route) => commandFor(slug, route)),
  };
}

function isOpenQuestion({ decision, kind, host = '', port, method, path }: EgressLogEntry, policy: ComposedPolicy['policy']): boolean {
  if (decision !== 'deny' || !['dns', 'request', 'connection'].includes(kind) || !isPlainName(host) || !parseHostName(host).ok)
    return false;
  const connection = decideConnection(policy, { name: host, port: port ?? 443 });
  if (!connection.allow) return true;
  if (method === undefined || path === undefined) return false;
  return !decide(policy, { name: host, port: port ?? 443, method, target: path }).allow;
}

function collect(tried: Map<string, Tried>, { host = '', port = 443, method, path }: EgressLogEntry): void {
  const key = `${host}:${port}`;
  const known = tried.get(key) ?? { host, port, methods: new Set<string>(), paths: new Set<string>() };
  tried.set(key, known);
  if (method === undefined) return;
  known.methods.add(method);
  known.paths.add(pathPrefix(path ?? '/'));
}

/** Without a request nothing is known but the name: reading is the least that helps, and the next look shows more. */
function toRoute({ host, port, methods, paths }: Tried): Omit<Route, 'mode'> & { readonly mode: Route['mode'] } {
  const base = {
    name: `learned-${host.slice(0, 80)}`.replace(/[^a-z0-9._-]/g, '-') + (port === 443 ? '' : `-${port}`),
    hosts: [host],
    ports: [port],
  };
  if (methods.size === 0 && port !== 80 && port !== 443) return { ...base, mode: 'passthrough' };
  const prefixes = smallest(paths);
  return {
    ...base,
    mode: 'inspect',
    methods: methods.size === 0 ? READ : [...methods].sort(),
    ...(prefixes.length === 0 || prefixes.includes('/') ? {} : { paths: prefixes }),
  };
}

/** Prefixes that no other one covers; too many become their common beginning. */
function smallest(paths: ReadonlySet<string>): string[] {
  const all = [...paths].sort();
  const kept = all.filter((path) => !all.some((other) => other !== path && path.startsWith(other === '/' ? '/' : `${other}/`)));
  if (kept.length <= MAX_PATHS) return kept;
  const split = kept.map((path) => path.split('/'));
  const first = split[0] ?? [];
  const end = first.findIndex((segment, at) => split.some((other) => other[at] !== segment));
  return [end <= 1 ? '/' : first.slice(0, end).join('/')];
}

function commandFor(slug: string, { hosts, ports, methods = [], paths = [], mode }: Route): string {
  const base = grantCommand(slug, { host: hosts[0] ?? '', port: ports[0] ?? 443 });
  const words = [...methods.map((method) => `--method ${method}`), ...paths.map((path) => `--path ${path}`)];
  return [base, ...(mode === 'passthrough' ? ['--mode passthrough'] : []), ...words].join(' ');
}
