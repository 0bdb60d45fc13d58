/** What the policy says, and what a refusal says. */
import type { ServerResponse } from 'node:http';
import type { Row } from '../../row.ts';
import { type EgressBench, routesTo } from '../egress-bench.ts';
import { type HttpTry, httpStep, isOk, statusOf, summary } from '../http-step.ts';
import type { Target } from '../target.ts';

const PROXY = { host: '198.18.0.1', port: 3128 } as const;
const TICK_MS = 50;
/** For three clients in a bottle to connect, and for the cut to reach the servers */
const OPEN_MS = 20_000;
const CUT_MS = 5_000;
const END = 'the end\n';

/** Repositories, packages and notes of somebody else on hosts that are allowed for one's own. */
const FOREIGN: readonly HttpTry[] = [
  { method: 'POST', path: '/repos/attacker/drop/issues', body: '{}' },
  { method: 'PUT', path: '/repos/attacker/drop/contents/x', body: '{}' },
  { path: '/repos/acme%2f..%2fattacker/drop' },
  { path: '/repos/acme/../attacker/drop' },
  { path: '/repos/ACME.attacker/drop' },
  { path: '/repos//attacker/drop' },
  { method: 'POST', path: '/gists', body: '{}' },
  { method: 'POST', path: '/user/repos', body: '{}' },
  { method: 'POST', path: '/graphql', body: '{}' },
];

export const POLICY_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E8',
    title: 'an empty policy',
    claim: 'An empty policy, as a missing one, allows nothing.',
    attack: 'tries every way out of a bottle without any route',
    defence: 'deny by default; absent lists of hosts and ports mean none',
    control: 'the same requests with a route are answered',
    async run(trial, bench) {
      const { open } = bench;
      const authority = `${open.name}:${open.plainPort}`;
      const ways = [
        ['curl', '-sS', '-i', '--max-time', '10', `http://${authority}/`],
        ['curl', '-sS', '-i', '--max-time', '10', '--noproxy', '', '-x', `http://${PROXY.host}:${PROXY.port}`, `http://${authority}/`],
        [
          'curl',
          '-sS',
          '-i',
          '--max-time',
          '10',
          '--noproxy',
          '',
          '-p',
          '-x',
          `http://${PROXY.host}:${PROXY.port}`,
          `http://${authority}/`,
        ],
      ];
      const shared = await bench.shared();
      const empty = await bench.bottle({ routes: [] });
      for (const [index, argv] of ways.entries()) {
        const control = await shared.run(argv);
        trial.control(`way ${index + 1} with a route`, control.stdout.includes('target reached'), control.stdout.split('\r\n')[0]);
      }
      open.reset();
      for (const [index, argv] of ways.entries()) {
        const { stdout, stderr } = await empty.run(argv);
        trial.attack(`way ${index + 1} without`, stdout.includes('target reached'), stdout.split('\r\n')[0] || stderr);
      }
      trial.attack('connections at the server', open.connections > 0);
      await empty.remove();
    },
  },
  {
    id: 'E23',
    title: 'an allowed host as drop box',
    claim: 'A route can be pinned to tenants, methods and paths of an allowed host; nothing reaches the others.',
    attack: 'writes to repositories, gists and packages of another tenant on the same host',
    defence: 'tenant pins on normalised paths; read-only methods for package registries',
    control: 'the same requests reach a host without a pin; the own tenant works',
    async run(trial, bench) {
      const { open, target } = bench;
      const api = routesTo(target, { tenants: { style: 'github-api', allow: ['acme'] } });
      const bottle = await bench.bottle({ routes: [...api, ...routesTo(open, { methods: ['GET', 'HEAD'] })] });
      const shared = await bench.shared();
      const controls = await bench.probe(
        shared,
        FOREIGN.map((what) => httpStep(open, { ...what, secure: false })),
      );
      trial.control('without a pin', controls.filter(isOk).length >= FOREIGN.length, controls.map(summary));
      const [own] = await bench.probe(bottle, [httpStep(target, { path: '/repos/acme/shop/issues', method: 'POST', body: '{}' })]);
      trial.control('the own tenant', own !== undefined && isOk(own), own === undefined ? '' : summary(own));
      target.reset();
      open.reset();
      const outcomes = await bench.probe(
        bottle,
        FOREIGN.map((what) => httpStep(target, what)),
      );
      for (const [index, outcome] of outcomes.entries()) {
        const { method = 'GET', path } = FOREIGN[index] ?? {};
        trial.attack(
          `${method} ${path}`,
          isOk(outcome) && target.seen.some(({ url }) => !url.startsWith('/repos/acme/')),
          summary(outcome),
        );
      }
      const [publish] = await bench.probe(bottle, [httpStep(open, { method: 'PUT', path: '/@attacker%2fdrop', body: '{}' })]);
      trial.attack('publishing a package', publish !== undefined && isOk(publish), publish === undefined ? '' : summary(publish));
      trial.attack(
        'writes at the servers',
        [...target.seen, ...open.seen].length > 0,
        [...target.seen, ...open.seen].map(({ url }) => url),
      );
      await bottle.remove();
    },
  },
  {
    id: 'E26',
    title: 'a connection older than the policy',
    claim: 'A change of policy holds for open connections as well.',
    attack: 'keeps long answers open, inspected and passed through, while a person blocks the host',
    defence: 'every open connection and request is judged again at each change',
    control: 'the same answers on a host that stays allowed run on to their end',
    async run(trial, bench) {
      const { open, passed, target } = bench;
      const bottle = await bench.bottle({ routes: [...routesTo(open), ...routesTo(passed, { mode: 'passthrough' }), ...routesTo(target)] });
      const servers = [open, passed, target];
      const answers = new Map<Target, ServerResponse>();
      for (const server of servers)
        server.handler = (_request, response) => {
          answers.set(server, response);
          tick(response);
        };
      const reads = servers.map((server) =>
        bottle.run(['curl', '-skN', '--max-time', '60', `https://${server.name}:${server.securePort}/`]),
      );
      const all = await within(OPEN_MS, () => answers.size === servers.length);
      for (const { name } of [open, passed])
        await bench.terok.egress.deny({ target: { task: bottle.slug }, host: name, reason: 'terok redteam' });
      await within(CUT_MS, () => [open, passed].every((server) => answers.get(server)?.closed === true));
      for (const response of answers.values()) response.end(END);
      const [inspected, spliced, allowed] = (await Promise.all(reads)).map(({ stdout }) => stdout);
      const shown = (text = ''): string => `${text.split('\n').length - 1} lines, ${text.includes(END) ? 'whole' : 'cut'}`;
      trial.control('the host that stays allowed', all && allowed?.includes(END) === true, shown(allowed));
      trial.attack('the inspected answer ran on', inspected?.includes(END) === true, shown(inspected));
      trial.attack('the passed answer ran on', spliced?.includes(END) === true, shown(spliced));
      for (const server of [open, passed, target]) server.reset();
      await bottle.remove();
    },
  },
  {
    id: 'E27',
    title: 'a refusal that looks like success, or like nothing',
    claim: 'A refusal is a fast and well-formed answer of the protocol in use, with its reason.',
    attack: 'a client is refused by name, tunnel, path, method, TLS name and protocol',
    defence: 'HTTP 403 with reason, NXDOMAIN, TLS alert, TCP reset; never a time-out, never a success',
    control: 'the same clients are answered where they are allowed',
    async run(trial, bench) {
      const { target, forbidden } = bench;
      const bottle = await bench.shared();
      const [allowed, tunnel] = await bench.probe(bottle, [httpStep(target), httpStep(target, { way: 'connect' })]);
      trial.control('allowed', allowed !== undefined && isOk(allowed) && tunnel !== undefined && isOk(tunnel));
      const refused = [httpStep(target, { path: '/other' }), httpStep(target, { method: 'DELETE', secure: false })];
      for (const outcome of await bench.probe(bottle, refused)) {
        const explained = /x-terok-refused: [a-z-]+\r\n/i.test(outcome.text) && outcome.text.includes('"hint"');
        trial.attack('a refused request is not explained', statusOf(outcome) !== 403 || !explained, summary(outcome));
      }
      const silent = await bench.probe(bottle, [
        { kind: 'tcp', ...PROXY, tunnel: `${forbidden.name}:443` },
        { kind: 'tcp', host: forbidden.name, port: 443 },
        httpStep(target, { serverName: forbidden.name }),
        { kind: 'tcp', host: target.name, port: target.securePort, send: 'SSH-2.0-client\r\n' },
      ]);
      const [connect, name, alert, other] = silent;
      trial.attack('a refused tunnel looks open or hangs', connect?.error?.startsWith('HTTP/1.1 403') !== true, connect?.error);
      trial.attack('a refused name resolves or hangs', name?.error !== 'ENOTFOUND', name?.error);
      trial.attack(
        'a refused TLS name is no alert',
        alert === undefined || alert.reached || /no answer/.test(alert.error ?? ''),
        alert?.error,
      );
      trial.attack(
        'another protocol is not reset',
        other === undefined || (other.error === undefined && !other.text.startsWith('HTTP/1.1 4')),
        other?.error,
      );
    },
  },
];

/** Sends something again and again until it is ended. */
function tick(response: ServerResponse): void {
  const again = setInterval(() => {
    if (response.writableEnded || response.destroyed) clearInterval(again);
    else response.write('tick\n');
  }, TICK_MS);
}

async function within(ms: number, isSo: () => boolean): Promise<boolean> {
  for (const end = performance.now() + ms; !isSo() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  return isSo();
}
