/** The road past the gate: writing straight to the forge that the repository of the user comes from. */
import { isTerokError, type Route } from '../../../core/index.ts';
import type { RedBench } from '../../bench/index.ts';
import { Programs } from '../../bench/programs.ts';
import { routesTo } from '../../egress/egress-bench.ts';
import { type HttpTry, httpStep, isOk, summary, type Way } from '../../egress/http-step.ts';
import { Target } from '../../egress/target.ts';
import type { Outcome } from '../../programs/steps.ts';
import type { Row } from '../../row.ts';
import { PoisonedRepository } from '../poisoned.ts';

const JSON_BODY = ['Content-Type: application/json'];
const mutation = JSON.stringify({ query: 'mutation { createCommitOnBranch(input: {}) { commit { oid } } }' });

/** What would change a repository, in the words of git and of three forges */
const WRITES: readonly HttpTry[] = [
  { path: '/o/r.git/info/refs?service=git-receive-pack' },
  { path: '/o/r.git/info/refs?service=git%2Dreceive%2Dpack' },
  { path: '/o/r.git/git-receive-pack', method: 'POST', body: '0000' },
  { path: '/o/r.git/info/lfs/objects/batch', method: 'POST', headers: JSON_BODY, body: '{"operation":"upload","objects":[]}' },
  { path: '/api/v3/repos/o/r/contents/a', method: 'PUT', headers: JSON_BODY, body: '{}' },
  { path: '/api/v3/repos/o/r/git/refs', method: 'POST', headers: JSON_BODY, body: '{}' },
  { path: '/api/v3/repos/o/r/git/refs/heads/main', method: 'PATCH', headers: JSON_BODY, body: '{}' },
  { path: '/api/v3/repos/o/r/merges', method: 'POST', headers: JSON_BODY, body: '{}' },
  { path: '/api/v3/repos/o/r/pulls/1/merge', method: 'PUT', headers: JSON_BODY, body: '{}' },
  { path: '/api/v3/gists', method: 'POST', headers: JSON_BODY, body: '{}' },
  { path: '/api/v1/repos/o/r/contents', method: 'POST', headers: JSON_BODY, body: '{}' },
  { path: '/api/v4/projects/1/repository/commits', method: 'POST', headers: JSON_BODY, body: '{}' },
  { path: '/api/graphql', method: 'POST', headers: JSON_BODY, body: mutation },
  { path: '/graphql', method: 'POST', headers: JSON_BODY, body: `{"query":"query { a }","Query":${JSON.stringify(mutation)}}` },
  { path: '/api/v3/repos/o/r', method: 'POST', headers: ['X-HTTP-Method-Override: DELETE'], body: '{}' },
];
const WAYS: readonly Pick<HttpTry, 'way' | 'secure'>[] = [
  {},
  { way: 'connect' satisfies Way },
  { way: 'absolute' satisfies Way, secure: false },
];
/** What an agent needs there all the same */
const READS: readonly HttpTry[] = [
  { path: '/o/r.git/info/refs?service=git-upload-pack' },
  { path: '/api/graphql', method: 'POST', headers: JSON_BODY, body: '{"query":"query { viewer { login } }"}' },
];

interface Roads {
  /** The repository of the user comes from there */
  readonly owned: Target;
  /** Nobody's repository does */
  readonly other: Target;
  readonly source: string;
}

async function openRoads(bench: RedBench): Promise<Roads> {
  const owned = await Target.open(bench, 'forge.target.test');
  const other = await Target.open(bench, 'elsewhere.target.test');
  const repository = await PoisonedRepository.create(bench);
  await repository.must(['remote', 'add', 'upstream', `https://${owned.name}:${owned.securePort}/o/r.git`]);
  return { owned, other, source: repository.source };
}

/** The code of the error that keeps a task from starting; undefined where it starts. */
async function refusal(bench: RedBench, source: string, routes: readonly Route[]): Promise<string | undefined> {
  try {
    await (await bench.bottle({ source, routes })).remove();
    return undefined;
  } catch (error) {
    if (!isTerokError(error)) throw error;
    return error.code;
  }
}

const nameOf = ({ method = 'GET', path = '', way = 'transparent' }: HttpTry): string => `${method} ${path} (${way})`;

export const OTHER_ROAD_ROWS: readonly Row[] = [
  {
    id: 'G15b',
    title: 'writing to the forge past the gate',
    claim: 'To a host that a repository of the project comes from, nothing is written but by the gate.',
    attack: 'pushes over HTTPS, writes contents, refs, merges, gists and commits through the APIs and GraphQL, and asks for a blind route',
    defence: 'the gateway reads requests to such hosts and lets only reading and talk pass; a route that nobody can look into is refused',
    control: 'the same requests arrive at a host that no gate owns, and reading arrives at both',
    async run(trial, bench) {
      const { owned, other, source } = await openRoads(bench);
      const programs = new Programs(bench);
      const bottle = await bench.bottle({ source, routes: [...routesTo(owned), ...routesTo(other)] });
      const send = async (target: Target, tries: readonly HttpTry[]): Promise<readonly Outcome[]> =>
        await programs.inside(
          bottle,
          'probe',
          tries.map((wanted) => httpStep(target, wanted)),
        );
      for (const target of [owned, other])
        for (const [index, outcome] of (await send(target, READS)).entries())
          trial.control(`${target.name}: ${nameOf(READS[index] ?? {})}`, isOk(outcome), summary(outcome));
      owned.reset();
      const tries = WAYS.flatMap((way) => WRITES.map((wanted) => ({ ...wanted, ...way })));
      for (const [index, outcome] of (await send(other, tries)).entries())
        trial.control(`elsewhere: ${nameOf(tries[index] ?? {})}`, isOk(outcome), summary(outcome));
      for (const [index, outcome] of (await send(owned, tries)).entries())
        trial.attack(nameOf(tries[index] ?? {}), isOk(outcome), summary(outcome));
      trial.attack(
        'a request that writes at the forge',
        owned.seen.length > 0,
        owned.seen.map(({ method, url }) => `${method} ${url}`),
      );
      const blind = await refusal(bench, source, routesTo(other, { mode: 'passthrough' }));
      trial.control('a blind route elsewhere is taken', blind === undefined, blind);
      const refused = await refusal(bench, source, routesTo(owned, { mode: 'passthrough' }));
      trial.attack('a blind route to the forge is taken', refused !== 'INVALID_ROUTE', refused);
    },
  },
];
