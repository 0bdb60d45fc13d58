import type { SetWish } from '../../core/config/index.ts';
import type { ConfiguredRoute } from '../../core/resolve/index.ts';
import { SETS, type SetEntry } from './catalogue.ts';
import type { HostFiles } from './host-files.ts';
import type { Registry, Skipped } from './registry.ts';

/** What a set means on this machine. */
export interface ExpandedSet {
  readonly name: string;
  readonly title: string;
  readonly kind: SetEntry['kind'];
  readonly routes: readonly ConfiguredRoute[];
  /** Servers with the file or variable that names them; empty for sets that are the same everywhere */
  readonly registries: readonly Registry[];
  readonly skipped: readonly Skipped[];
}

/** Reads what the host's own configuration says about a set. */
export async function expandSet({ name, privateNetworks }: SetWish, host: HostFiles): Promise<ExpandedSet> {
  const entry = SETS[name];
  const networks = privateNetworks === undefined ? {} : { privateNetworks };
  if (entry.kind !== 'packages') {
    const routes = entry.routes.map((route) => ({ ...route, ...networks }));
    return { name, title: entry.title, kind: entry.kind, routes, registries: [], skipped: [] };
  }
  const { found, skipped } = await entry.registries(host);
  const routes = packageRoutes(name, found).map((route) => ({ ...route, ...networks }));
  return { name, title: entry.title, kind: entry.kind, routes, registries: found, skipped };
}

/** One route for each port; reading alone, so that nothing can be published. */
function packageRoutes(name: string, registries: readonly Registry[]): readonly ConfiguredRoute[] {
  const ports = [...new Set(registries.map(({ port }) => port))];
  return ports.map((port) => ({
    name: port === 443 ? `set-${name}` : `set-${name}-${port}`,
    hosts: registries.filter((registry) => registry.port === port).map(({ host }) => host),
    ports: [port],
    mode: 'inspect',
    methods: ['GET', 'HEAD'],
  }));
}
