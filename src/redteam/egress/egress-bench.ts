import { randomBytes } from 'node:crypto';
import type { Route } from '../../core/index.ts';
import type { RedBench, RedBottle } from '../bench/index.ts';
import { Programs } from '../bench/programs.ts';
import type { Outcome, Step } from '../programs/steps.ts';
import { type Leniency, LenientServer } from './lenient-server.ts';
import { readAudit } from './read-audit.ts';
import { Target } from './target.ts';

/** What the rows of the egress suite work with. The shared bottle has a route to every target but `forbidden`. */
export interface EgressBench extends RedBench {
  readonly programs: Programs;
  /** The defence is on: `inspect`, GET and POST below `/allowed` alone */
  readonly target: Target;
  /** The defence is off: `inspect`, every method and path */
  readonly open: Target;
  /** `passthrough` */
  readonly passed: Target;
  /** The gateway adds `secret` to every request */
  readonly managed: Target;
  /** No route names it */
  readonly forbidden: Target;
  /** Servers that misread, reached over HTTP; every path is allowed */
  readonly lenient: Readonly<Record<Leniency, LenientServer>>;
  /** The real credential of `managed`, made for this run */
  readonly secret: string;
  /** What the shared bottle has in its place */
  readonly phantom: string;
  shared(): Promise<RedBottle>;
  /** Runs the steps in a bottle */
  probe(bottle: RedBottle, steps: readonly Step[]): Promise<readonly Outcome[]>;
  /** Runs the steps on this machine, where no seal is */
  probeOutside(steps: readonly Step[]): Promise<readonly Outcome[]>;
  /** Runs the steps in a namespace in which every address and port of theirs answers; undefined where none can be made */
  probeWorld(steps: readonly Step[]): Promise<readonly Outcome[] | undefined>;
  /** Decisions of a bottle's gateway so far */
  audit(bottle: RedBottle): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Targets are on the loopback, which a route must name to reach. */
export const TARGET_NETWORK = ['127.0.0.0/8'] as const;
export const SECRET_NAME = 'redteam';

export async function openEgressBench(bench: RedBench): Promise<EgressBench> {
  const names = ['api', 'open', 'passed', 'managed', 'forbidden'].map((label) => `${label}.target.test`);
  const [target, open, passed, managed, forbidden] = (await Promise.all(names.map((name) => Target.open(bench, name)))) as FiveTargets;
  const lenient = {
    length: await LenientServer.open(bench, 'length.target.test', 'length'),
    chunked: await LenientServer.open(bench, 'chunked.target.test', 'chunked'),
  };
  const secret = `sk-redteam-${randomBytes(16).toString('hex')}`;
  const phantom = `phantom-${randomBytes(16).toString('hex')}`;
  await bench.terok.secrets.set(SECRET_NAME, secret);
  const programs = new Programs(bench);
  const routes = [...targetRoutes({ target, open, passed, managed }, phantom), ...Object.values(lenient).map(lenientRoute)];
  let shared: Promise<RedBottle> | undefined;
  return {
    ...bench,
    programs,
    target,
    open,
    passed,
    managed,
    forbidden,
    lenient,
    secret,
    phantom,
    reset: () => {
      for (const server of [target, open, passed, managed, forbidden, ...Object.values(lenient)]) server.reset();
    },
    shared: () => (shared ??= bench.bottle({ routes })),
    probe: async (bottle, steps) => await programs.inside(bottle, 'probe', steps),
    probeOutside: async (steps) => await programs.outside('probe', steps),
    probeWorld: async (steps) => await programs.inEmptyNetwork('world', steps),
    audit: readAudit,
  };
}

type FiveTargets = [Target, Target, Target, Target, Target];

/** Over TLS, and over plain HTTP */
export function routesTo({ name, plainPort, securePort }: Target, more: Partial<Route> = {}): readonly Route[] {
  const common = { hosts: [name], mode: 'inspect', privateNetworks: TARGET_NETWORK, ...more } as const;
  return [
    { name: `${name}-tls`, ports: [securePort], ...common },
    { name: `${name}-plain`, ports: [plainPort], ...common, ...(common.mode === 'inspect' ? { plainUpstream: true } : {}) },
  ];
}

function targetRoutes(
  { target, open, passed, managed }: Pick<EgressBench, 'target' | 'open' | 'passed' | 'managed'>,
  phantom: string,
): Route[] {
  return [
    ...routesTo(target, { methods: ['GET', 'POST'], paths: ['/allowed'] }),
    ...routesTo(open),
    ...routesTo(passed, { mode: 'passthrough' }),
    ...routesTo(managed, { inject: { secret: SECRET_NAME, header: 'authorization', prefix: 'Bearer ', phantom } }),
  ];
}

function lenientRoute({ name, plainPort }: LenientServer): Route {
  return { name, hosts: [name], ports: [plainPort], mode: 'inspect', plainUpstream: true, privateNetworks: TARGET_NETWORK };
}
