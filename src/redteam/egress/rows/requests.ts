/** Requests with two readings. */
import type { Http2Answer, Http2Try } from '../../programs/http2.ts';
import type { Outcome, Step } from '../../programs/steps.ts';
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';
import { type HttpTry, httpStep, isOk, statusOf, summary, type Way } from '../http-step.ts';
import { readRequest } from '../lenient-server.ts';
import { carelessPath, PATH_TRICKS } from '../path-tricks.ts';
import { SMUGGLED, smugglingTries } from '../smuggling.ts';

const ENTRIES: readonly (HttpTry & { readonly entry: string })[] = [
  { entry: 'transparent TLS' },
  { entry: 'transparent plain', secure: false },
  { entry: 'CONNECT, TLS inside', way: 'connect' },
  { entry: 'CONNECT, plain inside', way: 'connect', secure: false },
  { entry: 'absolute form', way: 'absolute', secure: false },
];

const OVERRIDES: readonly HttpTry[] = [
  ...['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: DELETE', 'X_HTTP_Method_Override: DELETE'].map(
    (header): HttpTry => ({ headers: [header] }),
  ),
  ...['_method=DELETE', '%5Fmethod=DELETE', 'a=1;_method=DELETE'].map((query): HttpTry => ({ path: `/allowed?${query}` })),
];

const shown = (outcomes: readonly Outcome[]): string => outcomes.map(summary).join('; ');

export const REQUEST_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E9',
    title: 'another way in with weaker rules',
    claim: 'One decision stands behind every way into the gateway.',
    attack: 'sends the same forbidden requests by transparent TLS and HTTP, by CONNECT, and in absolute form',
    defence: 'one decision path for all entries',
    control: 'the allowed request works by each of them',
    async run(trial, bench) {
      const { target } = bench;
      const bottle = await bench.shared();
      const allowed = await bench.probe(
        bottle,
        ENTRIES.map((entry) => httpStep(target, entry)),
      );
      trial.control('the allowed request', allowed.every(isOk), shown(allowed));
      target.reset();
      const forbidden: readonly HttpTry[] = [
        { path: '/other' },
        { method: 'DELETE' },
        { path: '/allowed/../other' },
        { host: 'other.test' },
      ];
      for (const what of forbidden) {
        const outcomes = await bench.probe(
          bottle,
          ENTRIES.map((entry) => httpStep(target, { ...entry, ...what })),
        );
        for (const [index, outcome] of outcomes.entries())
          trial.attack(`${ENTRIES[index]?.entry}: ${JSON.stringify(what)}`, isOk(outcome), summary(outcome));
      }
      trial.attack('requests at the server', target.seen.length > 0, `${target.seen.length}`);
    },
  },
  {
    id: 'E10',
    title: 'request smuggling',
    claim: 'What the server reads is the request that was judged, and nothing beside it.',
    attack: 'hides a second request behind ambiguous lengths, bare line feeds, folded headers and odd chunks',
    defence: 'ambiguity is refused; what is sent was written anew from what was read',
    control: 'servers that read carelessly find the hidden request in the same bytes',
    async run(trial, bench) {
      const { lenient } = bench;
      const bottle = await bench.shared();
      const tries = smugglingTries('/judged');
      for (const server of Object.values(lenient)) {
        const mine = tries.filter(({ victim }) => lenient[victim] === server);
        const raw = (way: Way): Step[] =>
          mine.map(({ bytes }) => httpStep(server, { raw: bytes(`${server.name}:${server.plainPort}`), secure: false, way }));
        server.reset();
        for (const step of raw('outside')) await bench.probeOutside([step]);
        const fooled = server.seen.filter(({ path }) => path === SMUGGLED).length;
        trial.control(`${server.name} without the gateway`, fooled === mine.length, `${fooled} of ${mine.length} hidden requests found`);
        server.reset();
        const outcomes = await bench.probe(bottle, raw('transparent'));
        for (const [index, outcome] of outcomes.entries())
          trial.attack(mine[index]?.name ?? '', outcome.text.split('HTTP/1.1 200').length > 2, summary(outcome));
        trial.attack(
          `a hidden request at ${server.name}`,
          server.seen.some(({ path }) => path === SMUGGLED),
          server.seen.map(({ path }) => path),
        );
        const ambiguous = server.seen.some(({ head }) => readRequest(`${head}\r\n\r\n`, 'length')?.request.path !== '/judged');
        trial.attack(`anything but the judged request at ${server.name}`, ambiguous);
      }
      const [plain] = await bench.probe(bottle, [httpStep(lenient.length, { path: '/judged', secure: false, method: 'POST', body: 'x' })]);
      trial.control('an honest request arrives', plain !== undefined && isOk(plain), plain === undefined ? '' : summary(plain));
    },
  },
  {
    id: 'E11',
    title: 'method overrides, h2c, a body where none belongs',
    claim: 'No header, no query and no other protocol on the same connection makes a server carry out another method than the judged one.',
    attack: 'asks for another method in a header or in the query, or for another protocol on the same connection',
    defence: 'overrides are refused where a route restricts methods, upgrades to h2c everywhere',
    control: 'the server sees each of them past the gateway',
    async run(trial, bench) {
      const { target } = bench;
      const overrides = OVERRIDES.map((wanted): HttpTry => ({ ...wanted, method: 'POST', body: 'x' }));
      const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'];
      const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
      const overridden = (): number => target.seen.filter(({ method }) => method === 'POST').length;
      const upgrades = (): number => target.seen.filter((request) => request.headers.upgrade === 'h2c').length;
      target.reset();
      await bench.probeOutside([
        ...overrides.map((wanted) => httpStep(target, { ...wanted, way: 'outside', secure: false })),
        httpStep(target, { headers: h2c, way: 'outside', secure: false }),
      ]);
      trial.control(
        'past the gateway',
        overridden() === overrides.length && upgrades() === 1,
        `${overridden()} overrides, ${upgrades()} upgrades`,
      );
      const bottle = await bench.shared();
      const [honest] = await bench.probe(bottle, [httpStep(target, { method: 'POST', body: 'x' })]);
      trial.control(
        'the same request without an override',
        honest !== undefined && isOk(honest),
        honest === undefined ? '' : summary(honest),
      );
      target.reset();
      const outcomes = await bench.probe(bottle, [
        ...overrides.map((wanted) => httpStep(target, wanted)),
        httpStep(target, { headers: h2c, secure: false }),
      ]);
      trial.attack('an override at the server', overridden() > 0, shown(outcomes));
      trial.attack('an upgrade to h2c at the server', upgrades() > 0, shown(outcomes.slice(-1)));
      const [prior] = await bench.probe(bottle, [httpStep(target, { raw: preface, secure: false })]);
      trial.attack(
        'HTTP/2 without TLS',
        prior?.text.includes('\x04') === true && statusOf(prior) === 0,
        prior === undefined ? '' : summary(prior),
      );
    },
  },
  {
    id: 'E12',
    title: 'HTTP/2: other names, header floods, tunnels',
    claim: 'Each stream of HTTP/2 is judged by itself, within limits.',
    attack: 'mixes allowed and forbidden names and paths on one connection, sends conflicting names, tunnels, and 200 KiB of headers',
    defence: 'a decision for each stream, one name for each connection, limits for headers',
    control: 'the server answers all of them past the gateway; the allowed stream is answered through it',
    async run(trial, bench) {
      const { target, forbidden } = bench;
      const requests: Http2Try['requests'] = [
        { headers: { ':path': '/allowed' } },
        { headers: { ':path': '/other' } },
        { headers: { ':path': '/allowed', ':authority': forbidden.name } },
        { headers: { ':path': '/allowed', host: forbidden.name } },
        { headers: { ':path': '/allowed', ':method': 'DELETE' } },
        { headers: { ':path': '/allowed/../other' } },
      ];
      const bomb = {
        ':path': '/allowed',
        ...Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x-${index}`, 'a'.repeat(4_096)])),
      };
      const common = { port: target.securePort, serverName: target.name };
      const outside = await bench.programs.outside<Http2Answer[]>('http2', { ...common, host: '127.0.0.1', requests });
      trial.control(
        'past the gateway',
        outside.every(({ status }) => status === 200),
        outside.map(({ status }) => status),
      );
      const bottle = await bench.shared();
      target.reset();
      const [allowed, ...inside] = await bench.programs.inside<Http2Answer[]>(bottle, 'http2', { ...common, host: target.name, requests });
      trial.control('the allowed stream', allowed?.status === 200, `${allowed?.status}`);
      for (const [index, { status, error }] of inside.entries())
        trial.attack(JSON.stringify(requests[index + 1]?.headers), status === 200, error ?? `${status}`);
      const [flood] = await bench.programs.inside<Http2Answer[]>(bottle, 'http2', {
        ...common,
        host: target.name,
        requests: [{ headers: bomb }],
      });
      trial.attack('200 KiB of headers', flood?.status === 200, flood?.error ?? `${flood?.status}`);
      trial.attack('requests at the server', target.seen.length > 1, `${target.seen.length}`);
    },
  },
  {
    id: 'E13',
    title: 'paths with two readings',
    claim: 'The path that was matched is the path that the server gets.',
    attack: 'leaves the allowed prefix by encoded dots, empty segments, parameters, backslashes and double encoding',
    defence: 'a path is normalised once or refused; what was matched is what is sent',
    control: 'past the gateway the server gets each path as it was written, and a careless reading leaves the prefix',
    async run(trial, bench) {
      const { target } = bench;
      const left = (): string[] => target.seen.map(({ url }) => url).filter((url) => !carelessPath(url).startsWith('/allowed'));
      target.reset();
      await bench.probeOutside(PATH_TRICKS.map((path) => httpStep(target, { path, way: 'outside', secure: false })));
      trial.control('past the gateway', left().length === PATH_TRICKS.length, `${left().length} of ${PATH_TRICKS.length} left the prefix`);
      const bottle = await bench.shared();
      target.reset();
      const outcomes = await bench.probe(bottle, [
        ...PATH_TRICKS.map((path) => httpStep(target, { path })),
        httpStep(target, { path: '/allowed/a.b;c=1?x=..' }),
      ]);
      trial.attack('paths that left the prefix', left().length > 0, left());
      trial.control(
        'an ordinary path below the prefix',
        outcomes.at(-1)?.text.startsWith('HTTP/1.1 200') === true,
        shown(outcomes.slice(-1)),
      );
    },
  },
  {
    id: 'E14',
    title: 'redirects out of the policy',
    claim: 'The gateway follows no redirect; where a client follows one, the next request is judged like any other.',
    attack: 'an allowed server redirects to a forbidden server, to the loopback and to a forbidden path',
    defence: 'answers pass unchanged, each hop is judged',
    control: 'a client past the gateway is led to the forbidden server',
    async run(trial, bench) {
      const { target, forbidden } = bench;
      target.reset();
      forbidden.reset();
      target.handler = ({ url = '' }, response) => void response.writeHead(302, { location: url.slice(url.indexOf('?') + 1) }).end();
      const to = (goal: string): string => `http://${target.name}:${target.plainPort}/allowed?${goal}`;
      const goals = [
        `http://${forbidden.name}:${forbidden.plainPort}/`,
        `http://127.0.0.1:${forbidden.plainPort}/`,
        `http://[::ffff:127.0.0.1]:${forbidden.plainPort}/`,
      ];
      const status = await bench.programs.outside<number>(
        'follow',
        `http://127.0.0.1:${target.plainPort}/allowed?http://127.0.0.1:${forbidden.plainPort}/`,
      );
      trial.control('past the gateway', status === 200 && forbidden.seen.length === 1, `${status}`);
      const bottle = await bench.shared();
      forbidden.reset();
      for (const goal of goals) {
        const { stdout } = await bottle.run(['curl', '-sSLi', '--max-time', '10', to(goal)]);
        trial.attack(
          goal,
          stdout.includes('target reached'),
          stdout.split('\r\n').filter((line) => line.startsWith('HTTP/')),
        );
      }
      const { stdout } = await bottle.run(['curl', '-sSi', '--max-time', '10', to(goals[0] ?? '')]);
      trial.control('the redirect itself arrives', stdout.includes(' 302 ') && stdout.includes(goals[0] ?? ''), stdout.split('\r\n')[0]);
      trial.attack('requests at the forbidden server', forbidden.connections > 0, `${forbidden.connections}`);
      target.reset();
    },
  },
];
