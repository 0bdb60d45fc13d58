/**
 * Decides what becomes of the wishes in a repository's own file.
 * Scope: says which wishes the user's configuration already grants, and how to grant the others.
 * Out of scope: granting. Nothing here returns a setting, so nothing in a repository can change a bottle.
 * Fail-safe direction: a wish that is not recognised as granted is reported as not granted.
 */
import type { RepositoryRequests } from './schema.ts';
import type { EffectiveSettings } from './settings.ts';

export interface Ungranted {
  /** What the repository asks for; holds text of its authors */
  readonly what: string;
  /** The command or file that would grant it */
  readonly how: string;
}

/** The wishes that the settings in effect do not grant. `projectFile` is where the user would grant them. */
export function mergeRequests(requests: RepositoryRequests, granted: EffectiveSettings, projectFile: string): readonly Ungranted[] {
  return [
    ...agentWish(requests, granted, projectFile),
    ...(requests.packages ?? []).map((name) => ({
      what: `the Debian package \`${name}\``,
      how: 'use an image that has it: `terok run --image …`',
    })),
    ...(requests.env ?? [])
      .filter((name) => !Object.hasOwn(granted.env, name))
      .map((name) => ({
        what: `the environment variable \`${name}\``,
        how: `\`terok run --env ${name}\`, or \`env\` in \`${projectFile}\``,
      })),
    ...(requests.sets ?? [])
      .filter((name) => !granted.egress.sets.some((set) => set.name === name))
      .map((name) => ({ what: `the set \`${name}\` of routes`, how: `\`egress.sets: [${name}]\` in \`${projectFile}\`` })),
    ...routeWishes(requests, granted, projectFile),
    ...limitWishes(requests, granted, projectFile),
    ...(requests.ports ?? [])
      .filter((port) => !granted.ports.some((published) => published.port === port))
      .map((port) => ({
        what: `port ${port} on this machine`,
        how: `\`terok run --publish ${port}\`, or \`ports\` in \`${projectFile}\``,
      })),
  ];
}

function agentWish(requests: RepositoryRequests, granted: EffectiveSettings, projectFile: string): Ungranted[] {
  if (requests.agent === undefined || requests.agent === granted.agent) return [];
  return [{ what: `the agent \`${requests.agent}\``, how: `\`terok run --agent ${requests.agent}\`, or \`agent\` in \`${projectFile}\`` }];
}

function routeWishes(requests: RepositoryRequests, granted: EffectiveSettings, projectFile: string): Ungranted[] {
  const reachable = new Set(
    granted.egress.routes.flatMap((route) => route.hosts.flatMap((host) => route.ports.map((port) => `${host}:${port}`))),
  );
  const wanted = (requests.routes ?? []).flatMap((route) => route.hosts.flatMap((host) => route.ports.map((port) => `${host}:${port}`)));
  return [...new Set(wanted)]
    .filter((target) => !reachable.has(target))
    .map((target) => ({
      what: `network access to \`${target}\``,
      how: `\`terok egress allow --project . ${target.replace(/:443$/, '')}\`, or a route in \`${projectFile}\``,
    }));
}

function limitWishes(requests: RepositoryRequests, granted: EffectiveSettings, projectFile: string): Ungranted[] {
  const names = ['memoryMiB', 'cpus', 'pids', 'files', 'diskMiB'] as const;
  return names.flatMap((name) => {
    const wanted = requests.limits?.[name];
    const inEffect = granted.limits[name] ?? Number.POSITIVE_INFINITY;
    if (wanted === undefined || wanted <= inEffect) return [];
    return [{ what: `\`${name}\` of ${wanted} (in effect: ${inEffect})`, how: `\`limits.${name}\` in \`${projectFile}\`` }];
  });
}
