/*
 * Scope: which hosts hold repositories that a gate is the only road to. Out of scope: what a request to them does.
 * Fail-safe direction: a known forge is one, whether or not the project uses it.
 */
import type { EgressPolicy, Route } from './egress-policy.ts';
import { hostPatternCovers } from './host-name.ts';

/** Public forges, with the names below them: API, uploads, gists, SSH over port 443. */
const KNOWN_FORGES: readonly string[] = [
  'github.com',
  'gitlab.com',
  'bitbucket.org',
  'codeberg.org',
  'gitea.com',
  'gitee.com',
  'sr.ht',
  'dev.azure.com',
  'visualstudio.com',
  'notabug.org',
  'framagit.org',
  'salsa.debian.org',
  'gitlab.freedesktop.org',
  'gitlab.gnome.org',
  'invent.kde.org',
];
const FORGE_PATTERNS = KNOWN_FORGES.flatMap((forge) => [forge, `*.${forge}`]);

/** Is this name a forge, or a host that the project's own repository comes from? */
export function isGateHost({ gateHosts = [] }: Pick<EgressPolicy, 'gateHosts'>, name: string): boolean {
  return FORGE_PATTERNS.some((pattern) => hostPatternCovers(pattern, name)) || gateHosts.includes(name);
}

/** Hosts of a route that nobody can look into on the way, although they are such hosts, and that were not allowed by name. */
export function uncheckedGateHosts(policy: Pick<EgressPolicy, 'gateHosts'>, { mode, hosts, forgeWrites }: Route): readonly string[] {
  if (mode !== 'passthrough' || forgeWrites === true) return [];
  const owned = [...KNOWN_FORGES, ...(policy.gateHosts ?? [])];
  return hosts.filter(
    (pattern) => isGateHost(policy, pattern.replace(/^\*\./, '')) || owned.some((name) => hostPatternCovers(pattern, name)),
  );
}
