import type { Route } from '../../core/index.ts';
import type { RedBench, RedBottle } from '../bench/index.ts';
import { Programs } from '../bench/programs.ts';
import type { Outcome, Step } from '../programs/probe.ts';
import { readAudit } from './read-audit.ts';
import { Target } from './target.ts';

/** What the rows of the egress suite work with. */
export interface EgressBench extends RedBench {
  readonly programs: Programs;
  /** A server that routes may name */
  readonly target: Target;
  /** A server that no route of the shared bottle names */
  readonly forbidden: Target;
  /** A bottle that may reach `target` by HTTPS (`inspect`) and HTTP, at the path `/allowed`; rows share it */
  shared(): Promise<RedBottle>;
  /** Runs the steps in a bottle */
  probe(bottle: RedBottle, steps: readonly Step[]): Promise<readonly Outcome[]>;
  /** Runs the steps on this machine, where no seal is */
  probeOutside(steps: readonly Step[]): Promise<readonly Outcome[]>;
  /** Decisions of a bottle's gateway so far */
  audit(bottle: RedBottle): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Targets are on the loopback, which a route must name to reach. */
export const TARGET_NETWORK = ['127.0.0.0/8'] as const;

export async function openEgressBench(bench: RedBench): Promise<EgressBench> {
  const [target, forbidden] = await Promise.all([Target.open(bench, 'api.target.test'), Target.open(bench, 'forbidden.target.test')]);
  const programs = new Programs(bench);
  let shared: Promise<RedBottle> | undefined;
  return {
    ...bench,
    programs,
    target,
    forbidden,
    shared: () => (shared ??= bench.bottle({ routes: sharedRoutes(target) })),
    probe: async (bottle, steps) => await programs.inside(bottle, 'probe', steps),
    probeOutside: async (steps) => await programs.outside('probe', steps),
    audit: readAudit,
  };
}

function sharedRoutes(target: Target): readonly Route[] {
  const common = { hosts: [target.name], mode: 'inspect', paths: ['/allowed'], privateNetworks: TARGET_NETWORK } as const;
  return [
    { name: 'target', ports: [target.securePort], ...common },
    { name: 'target-plain', ports: [target.plainPort], plainUpstream: true, ...common },
  ];
}
