/** The credentials that the gateway adds. */
import { gzipSync } from 'node:zlib';
import { isTerokError } from '../../../core/index.ts';
import type { Row } from '../../row.ts';
import { type EgressBench, routesTo, SECRET_NAME, TARGET_NETWORK } from '../egress-bench.ts';
import { httpStep, isOk, statusOf, summary } from '../http-step.ts';
import type { SeenRequest, Target } from '../target.ts';

const CANARY = 'sk-canary-of-the-attacker-0123456789';
/** Headers in which clients of some provider put a credential. */
const PLACES: readonly string[] = [
  'X-Api-Key',
  'Api-Key',
  'X-Goog-Api-Key',
  'X-Auth-Token',
  'X-Access-Token',
  'Private-Token',
  'Proxy-Authorization',
  'Cookie',
  'X-Amz-Security-Token',
  'Ocp-Apim-Subscription-Key',
].map((name) => `${name}: ${CANARY}-${name.toLowerCase()}`);
const QUERY = ['api_key', 'key', 'access_token', 'token', 'sig', 'X-Amz-Signature'].map((name) => `${name}=${CANARY}`).join('&');

const text = ({ url, rawHeaders, body }: SeenRequest): string => [url, ...rawHeaders, body.toString('latin1')].join('\n');
const bearer = (token: string): string => `Authorization: Bearer ${token}`;

/** Time for a gateway under load to pass on what came before the cut */
const CUT_AFTER_MS = 400;

type Answer = Target['handler'];

/** Ways of a server to give back what it was given. */
const ECHOES: Readonly<Record<string, (value: string) => Answer>> = {
  'the body': (value) => (_request, response) => void response.end(`you sent ${value}`),
  'a header': (value) => (_request, response) => void response.setHeader('x-echo', value).end('ok'),
  'the name of a header': (value) => (_request, response) => void response.setHeader(`x-${value}`, 'echo').end('ok'),
  'an error page': (value) => (_request, response) => void response.writeHead(401).end(`bad key ${value}`),
  'a redirect': (value) => (_request, response) => void response.writeHead(302, { location: `/allowed?key=${value}` }).end(),
  'a cookie': (value) => (_request, response) => void response.setHeader('set-cookie', `k=${value}`).end('ok'),
  'one byte at a time': (value) => (_request, response) => {
    for (const character of value) response.write(character);
    response.end();
  },
  trailers: (value) => (_request, response) => {
    response.setHeader('trailer', 'x-echo');
    response.write('ok');
    response.addTrailers({ 'x-echo': value });
    response.end();
  },
  base64: (value) => (_request, response) => void response.end(Buffer.from(value).toString('base64')),
  hexadecimal: (value) => (_request, response) => void response.end(Buffer.from(value).toString('hex')),
  'percent-encoding': (value) => (_request, response) =>
    void response.end([...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join('')),
  gzip: (value) => (_request, response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync(value)),
  'a cut body': (value) => (_request, response) => {
    response.setHeader('content-length', 10_000);
    response.write(value, () => setTimeout(() => response.destroy(), CUT_AFTER_MS));
  },
};

/** Does a text hold the value in some form that the echoes use? */
function holds(given: string, value: string): boolean {
  const compressed = Buffer.from(given, 'latin1').includes(gzipSync(value).subarray(10, -8));
  const escaped = [...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join('');
  const joined = given.replaceAll(/\r\n1\r\n/g, '');
  return (
    compressed ||
    [value, Buffer.from(value).toString('base64'), Buffer.from(value).toString('hex'), escaped].some(
      (form) => given.includes(form) || joined.includes(form),
    )
  );
}

export const CREDENTIAL_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E22',
    title: 'an upload with the key of the attacker',
    claim: 'On a managed host the only credential that leaves is ours.',
    attack: 'puts a key of its own into every place where some provider looks for one, beside or in the place of the phantom',
    defence: 'everything that looks like a credential is dropped, then ours is added; an unknown token is refused',
    control: 'on a host that is not managed the key arrives in every place',
    async run(trial, bench) {
      const { open, managed, phantom } = bench;
      const bottle = await bench.shared();
      const common = { path: `/allowed?${QUERY}`, headers: PLACES };
      open.reset();
      await bench.probe(bottle, [
        httpStep(open, { path: common.path, headers: [...PLACES.filter((place) => !place.startsWith('Proxy-')), bearer(CANARY)] }),
      ]);
      const arrived = open.seen.map(text).join('\n').split(CANARY).length - 1;
      trial.control('on a host that is not managed', arrived >= PLACES.length, `${arrived} places`);
      managed.reset();
      const [own, foreign] = await bench.probe(bottle, [
        httpStep(managed, { headers: [bearer(phantom)] }),
        httpStep(managed, { headers: [bearer(CANARY)] }),
      ]);
      await bench.probe(bottle, [
        httpStep(managed, { ...common, headers: [...PLACES, bearer(phantom)] }),
        httpStep(managed, { path: common.path, headers: [bearer(phantom)] }),
        ...PLACES.map((place) => httpStep(managed, { headers: [place, bearer(phantom)] })),
      ]);
      trial.control('the phantom works', own !== undefined && isOk(own), own === undefined ? '' : summary(own));
      for (const place of PLACES)
        trial.attack(
          place.split(':')[0] ?? '',
          managed.seen.some((request) => text(request).includes(place.split(': ')[1] ?? CANARY)),
        );
      trial.attack(
        'the query',
        managed.seen.some(({ url }) => url.includes(CANARY)),
      );
      trial.attack(
        'a key in the place of the phantom',
        foreign !== undefined && isOk(foreign),
        foreign === undefined ? '' : summary(foreign),
      );
    },
  },
  {
    id: 'C1',
    title: 'a credential that is silently not added',
    claim: 'A bottle does not start where a credential that a route promises cannot be added.',
    attack: 'starts bottles with a missing secret, an unusable one, and a route that cannot add it',
    defence: 'routes are checked as data; the gateway proves each credential before the first process starts',
    control: 'the same route with its secret starts, and the server gets the real one',
    async run(trial, bench) {
      const { managed, phantom, secret } = bench;
      const inject = { header: 'authorization', prefix: 'Bearer ', phantom } as const;
      managed.reset();
      const [outcome] = await bench.probe(await bench.shared(), [httpStep(managed, { headers: [bearer(phantom)] })]);
      const sent = managed.seen.some(({ headers }) => headers.authorization === `Bearer ${secret}`);
      trial.control(
        'the real credential arrives',
        outcome !== undefined && isOk(outcome) && sent,
        outcome === undefined ? '' : summary(outcome),
      );
      await bench.terok.secrets.set('too-short', 'abc');
      const tries = {
        'a secret that is not stored': routesTo(managed, { inject: { secret: 'no-such-secret', ...inject } }),
        'a secret that is too short to be kept apart': routesTo(managed, { inject: { secret: 'too-short', ...inject } }),
        'a route that cannot see the request': routesTo(managed, { mode: 'passthrough', inject: { secret: SECRET_NAME, ...inject } }),
      };
      for (const [what, routes] of Object.entries(tries)) trial.attack(what, await starts(bench, routes), what);
    },
  },
  {
    id: 'C2',
    title: 'the real credential in an answer',
    claim: 'The real credential does not come back: in heads, bodies, trailers, frames, error pages, however it is cut or encoded.',
    attack: 'the server gives back what it was sent, in every form that servers have',
    defence: 'answers of managed hosts are scrubbed in flight; what cannot be read is refused',
    control: 'another value of the same shape comes back in each form',
    async run(trial, bench) {
      const { managed, phantom, secret } = bench;
      const bottle = await bench.shared();
      const harmless = secret.replaceAll(/[0-9a-f]/g, 'd');
      for (const [form, echo] of Object.entries(ECHOES)) {
        managed.reset();
        managed.handler = echo(harmless);
        const [control] = await bench.probe(bottle, [httpStep(managed, { headers: [bearer(phantom)], method: 'POST', body: '' })]);
        // an answer that the gateway cannot read is refused whatever it holds
        const refused = form === 'gzip' && control !== undefined && statusOf(control) === 502;
        trial.control(
          form,
          control !== undefined && (holds(control.text, harmless) || refused),
          control === undefined ? '' : summary(control),
        );
        managed.handler = echo(secret);
        const [outcome] = await bench.probe(bottle, [httpStep(managed, { headers: [bearer(phantom)], method: 'POST', body: '' })]);
        trial.attack(form, outcome !== undefined && holds(outcome.text, secret), outcome === undefined ? '' : summary(outcome));
      }
      managed.reset();
    },
  },
  {
    id: 'C3',
    title: 'the own credential beside the injected one',
    claim: 'The server sees exactly one credential.',
    attack: 'sends the phantom together with a second value in the same header, in another case, and folded',
    defence: 'all client authentication is dropped, then ours is added',
    control: 'on a host that is not managed both values arrive',
    async run(trial, bench) {
      const { managed, open, phantom, secret } = bench;
      const bottle = await bench.shared();
      const doubles = [
        [bearer(phantom), bearer(CANARY)],
        [bearer(CANARY), bearer(phantom)],
        [bearer(phantom), `AUTHORIZATION: Bearer ${CANARY}`],
        [`Authorization: Bearer ${phantom}, Bearer ${CANARY}`],
        [bearer(phantom), `Connection: authorization`, `X-Original-Authorization: Bearer ${CANARY}`],
      ];
      open.reset();
      await bench.probeOutside(doubles.map((headers) => httpStep(open, { headers, way: 'outside', secure: false })));
      const arrived = open.seen.filter((request) => text(request).includes(CANARY)).length;
      trial.control('without the gateway', arrived === doubles.length, `${arrived} of ${doubles.length}`);
      managed.reset();
      const outcomes = await bench.probe(
        bottle,
        doubles.map((headers) => httpStep(managed, { headers })),
      );
      for (const [index, outcome] of outcomes.entries())
        trial.attack(
          `form ${index + 1}`,
          managed.seen.some((request) => text(request).includes(CANARY)),
          summary(outcome),
        );
      const wrong = managed.seen.filter(({ headers }) => headers.authorization !== `Bearer ${secret}`);
      trial.attack('a request without exactly our credential', wrong.length > 0, `${wrong.length}`);
    },
  },
  {
    id: 'C7',
    title: 'the phantom of another bottle',
    claim: 'A phantom works in its own bottle, for its own host, and until that bottle is gone.',
    attack: 'uses the phantom of another bottle, and its own on another host',
    defence: 'each gateway knows the phantoms of its own bottle and route alone',
    control: 'each phantom works in its own bottle',
    async run(trial, bench) {
      const { managed, open, phantom, secret } = bench;
      const other = { secret: SECRET_NAME, header: 'authorization', prefix: 'Bearer ', phantom: `${phantom}-other` } as const;
      const route = {
        name: 'managed',
        hosts: [managed.name],
        ports: [managed.plainPort],
        mode: 'inspect',
        plainUpstream: true,
        privateNetworks: TARGET_NETWORK,
        inject: other,
      } as const;
      const second = await bench.bottle({ routes: [route] });
      const first = await bench.shared();
      const ask = async (bottle: typeof first, token: string): Promise<number> => {
        const argv = [
          'curl',
          '-sS',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          '--max-time',
          '10',
          '-H',
          bearer(token),
          `http://${managed.name}:${managed.plainPort}/`,
        ];
        return Number((await bottle.run(argv)).stdout);
      };
      const own = [await ask(first, phantom), await ask(second, other.phantom)];
      trial.control(
        'in its own bottle',
        own.every((status) => status === 200),
        own,
      );
      managed.reset();
      for (const [what, bottle, token] of [
        ['the second in the first', first, other.phantom],
        ['the first in the second', second, phantom],
      ] as const) {
        const status = await ask(bottle, token);
        trial.attack(what, status === 200, `${status}`);
      }
      trial.attack('requests at the server', managed.seen.length > 0);
      open.reset();
      await bench.probe(first, [httpStep(open, { headers: [bearer(phantom)] })]);
      trial.attack(
        'on another host',
        open.seen.some((request) => text(request).includes(secret)),
        open.seen.map(({ headers }) => headers.authorization),
      );
      await second.remove();
      managed.reset();
      const status = await ask(first, other.phantom);
      trial.attack('of a bottle that is gone', status === 200 || managed.seen.length > 0, `${status}`);
    },
  },
];

async function starts(bench: EgressBench, routes: ReturnType<typeof routesTo>): Promise<boolean> {
  try {
    await (await bench.bottle({ routes })).remove();
    return true;
  } catch (error) {
    if (!isTerokError(error)) throw error;
    return false;
  }
}
