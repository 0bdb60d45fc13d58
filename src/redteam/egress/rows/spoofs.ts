/** Saying one name and meaning another. */
import type { Http2Answer, Http2Try } from '../../programs/http2.ts';
import type { Outcome, Step } from '../../programs/steps.ts';
import type { Row } from '../../row.ts';
import { withEncryptedHello } from '../client-hello.ts';
import type { EgressBench } from '../egress-bench.ts';
import { httpStep, isOk, statusOf, summary, type Way } from '../http-step.ts';

const PROXY = { host: '198.18.0.1', port: 3128 } as const;
const WAYS: readonly Way[] = ['transparent', 'connect'];

/** Only a refusal by the gateway, or no answer at all, is a failure of the attack. */
const gotThrough = (outcome: Outcome): boolean => /^HTTP\/1\.1 [23]/.test(outcome.text);

export const SPOOF_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E3',
    title: 'another name in TLS or in Host',
    claim: 'The name in TLS, the Host or `:authority` of each request, and the name that was dialled are the same.',
    attack: 'dials an allowed name and says another one, in TLS, in Host, or in both; over HTTP/1.1 and HTTP/2',
    defence: 'the gateway ends TLS, compares all three for every request, and answers 421',
    control: 'the same requests past the gateway are answered by the server',
    async run(trial, bench) {
      const { target, forbidden } = bench;
      const lies = [
        { serverName: forbidden.name },
        { host: `${forbidden.name}:${forbidden.securePort}` },
        { host: forbidden.name },
        { host: `${target.name}:1` },
        { serverName: forbidden.name, host: forbidden.name },
      ];
      const outside = await bench.probeOutside(lies.map((lie) => httpStep(target, { ...lie, way: 'outside' })));
      trial.control('past the gateway', outside.every(isOk), outside.map(summary));
      const bottle = await bench.shared();
      const honest = await bench.probe(
        bottle,
        WAYS.map((way) => httpStep(target, { way })),
      );
      trial.control('one name everywhere', honest.every(isOk), honest.map(summary));
      target.reset();
      for (const way of WAYS) {
        const outcomes = await bench.probe(
          bottle,
          lies.map((lie) => httpStep(target, { ...lie, way })),
        );
        for (const [index, outcome] of outcomes.entries())
          trial.attack(`${way} ${JSON.stringify(lies[index])}`, gotThrough(outcome), summary(outcome));
      }
      const http2: Http2Try = {
        host: target.name,
        port: target.securePort,
        serverName: target.name,
        requests: [
          { headers: { ':path': '/allowed', ':authority': forbidden.name } },
          { headers: { ':path': '/allowed', host: forbidden.name } },
        ],
      };
      const answers = await bench.programs.inside<Http2Answer[]>(bottle, 'http2', http2);
      for (const { status } of answers) trial.attack('another name in HTTP/2', status === 200, `${status}`);
      trial.attack('requests at the server', target.seen.length + forbidden.connections > 0, `${target.seen.length}`);
    },
  },
  {
    id: 'E4',
    title: 'no name in TLS, an address as name, an encrypted name',
    claim: 'TLS without a readable name is refused unless a passthrough route says that it may be.',
    attack: 'starts TLS without a name, with an address as name, and with Encrypted Client Hello',
    defence: 'the first bytes are read before anything is dialled',
    control: 'the server itself takes each of these handshakes',
    async run(trial, bench) {
      const { target, passed } = bench;
      const hello = await withEncryptedHello(passed.name);
      const tries = (where: 'outside' | 'transparent'): Step[] => [
        httpStep(target, { serverName: '', way: where }),
        httpStep(passed, { serverName: '', way: where, anyCertificate: true }),
        { kind: 'tcp', host: where === 'outside' ? '127.0.0.1' : passed.name, port: passed.securePort, send: hello },
      ];
      const took = ({ text }: Outcome): boolean => text.startsWith('HTTP/1.1 200') || text.startsWith('\x16\x03\x03');
      const outside = await bench.probeOutside(tries('outside'));
      trial.control('the server takes them', outside.every(took), outside.map(summary));
      const bottle = await bench.shared();
      const [named] = await bench.probe(bottle, [httpStep(passed, { anyCertificate: true })]);
      trial.control('with its name it passes', named !== undefined && isOk(named), named === undefined ? '' : summary(named));
      const whats = ['no name, inspected', 'no name, passed through', 'an encrypted name, passed through'];
      for (const [index, outcome] of (await bench.probe(bottle, tries('transparent'))).entries())
        trial.attack(whats[index] ?? '', took(outcome), summary(outcome));
    },
  },
  {
    id: 'E5',
    title: 'tunnels to addresses and to other ports',
    claim: 'A tunnel leads to a name and port of a route, never to an address, however it is written.',
    attack: 'asks the proxy for tunnels to the loopback in decimal, octal, hexadecimal and IPv6 forms, and to ports that no route names',
    defence: 'one strict reading of host and port for the decision and the dialler',
    control: 'this machine takes each of these forms for its loopback; a tunnel to a route works',
    async run(trial, bench) {
      const { target, forbidden } = bench;
      const forms = ['127.0.0.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '::ffff:127.0.0.1'];
      const outside = await bench.probeOutside(forms.map((host) => httpStepTo(host, forbidden.plainPort)));
      trial.control(
        'the forms mean this machine',
        outside.every(isOk),
        outside.map((outcome, index) => `${forms[index]} ${statusOf(outcome)}`).join(', '),
      );
      const bottle = await bench.shared();
      const [allowed] = await bench.probe(bottle, [httpStep(target, { way: 'connect' })]);
      trial.control('a tunnel to a route', allowed !== undefined && isOk(allowed), allowed === undefined ? '' : summary(allowed));
      const targets = [
        ...forms.map((form) => `${form.includes(':') ? `[${form}]` : form}:${forbidden.plainPort}`),
        `${forbidden.name}:${forbidden.plainPort}`,
        `${target.name}:${forbidden.plainPort}`,
        ...['22', '0', '65536', '+80', '00080', '8 0', ''].map((port) => `${target.name}:${port}`),
      ];
      forbidden.reset();
      const outcomes = await bench.probe(
        bottle,
        targets.map((tunnel) => ({ kind: 'tcp', ...PROXY, tunnel, send: 'GET / HTTP/1.0\r\n\r\n' })),
      );
      for (const [index, outcome] of outcomes.entries()) trial.attack(`CONNECT ${targets[index]}`, outcome.reached, summary(outcome));
      trial.attack('connections at the server', forbidden.connections > 0);
    },
  },
  {
    id: 'E6',
    title: 'a tunnel inside a tunnel',
    claim: 'An allowed host cannot be used as a proxy to others.',
    attack: 'sends CONNECT inside of an inspected connection, to a server that would open the tunnel',
    defence: 'CONNECT inside of an inspected connection is refused, in HTTP/1.1 and HTTP/2',
    control: 'the server opens the tunnel for a client that comes past the gateway',
    async run(trial, bench) {
      const { open, forbidden } = bench;
      const authority = `${forbidden.name}:${forbidden.plainPort}`;
      const raw = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
      const [outside] = await bench.probeOutside([httpStep(open, { raw, way: 'outside' })]);
      trial.control('past the gateway', open.tunnels.length === 1, outside === undefined ? '' : summary(outside));
      const bottle = await bench.shared();
      const ways: readonly Way[] = ['transparent', 'connect'];
      const outcomes = await bench.probe(bottle, [
        ...ways.map((way) => httpStep(open, { raw, way })),
        httpStep(open, { raw, secure: false }),
      ]);
      for (const outcome of outcomes) trial.attack('CONNECT inside', statusOf(outcome) === 200, summary(outcome));
      const request = { headers: { ':method': 'CONNECT', ':authority': authority } };
      const [answer] = await bench.programs.inside<Http2Answer[]>(bottle, 'http2', {
        host: open.name,
        port: open.securePort,
        serverName: open.name,
        requests: [request],
      });
      trial.attack('CONNECT in HTTP/2', answer?.status === 200, answer?.error ?? `${answer?.status}`);
      trial.attack('tunnels at the server', open.tunnels.length > 1);
    },
  },
  {
    id: 'E7',
    title: 'NUL, tab, dot, case and Unicode in host names',
    claim: 'The name that the policy judged is the name that is dialled; nothing is trimmed or repaired.',
    attack: 'asks for names that a careless reader takes for an allowed one and a careless dialler for another',
    defence: 'one canonical parser for decision, certificate, name server and dialler, which refuses',
    control: 'a proxy that compares the end of the text and dials up to the first odd character opens each of the tunnels',
    async run(trial, bench) {
      const { forbidden, target } = bench;
      const suffix = `.${target.name}`;
      const names = ['\0', '\t', '\r', ' ', '%00', '@', '#', '?', '/', '\\', '\u00ad', '\xff'].map(
        (odd) => `${forbidden.name}${odd}x${suffix}`,
      );
      const naive = names.filter((name) => name.endsWith(suffix) && name.split(/[^a-z0-9.-]/)[0] === forbidden.name);
      trial.control('a careless proxy would dial the other name', naive.length === names.length, `${naive.length} of ${names.length}`);
      const bottle = await bench.bottle({
        routes: [
          {
            name: 'wide',
            hosts: [`*${suffix}`, target.name],
            ports: [forbidden.plainPort, target.plainPort],
            mode: 'inspect',
            plainUpstream: true,
            privateNetworks: ['127.0.0.0/8'],
          },
        ],
      });
      bench.names.set(`x${suffix}`, ['127.0.0.1']);
      const tunnel = (name: string): Step => ({
        kind: 'tcp',
        ...PROXY,
        tunnel: `${name}:${forbidden.plainPort}`,
        send: 'GET / HTTP/1.0\r\n\r\n',
      });
      const absolute = (name: string): Step => ({
        kind: 'tcp',
        ...PROXY,
        send: `GET http://${name}:${forbidden.plainPort}/ HTTP/1.1\r\nHost: ${name}:${forbidden.plainPort}\r\n\r\n`,
      });
      const [control] = await bench.probe(bottle, [absolute(`x${suffix}`)]);
      trial.control(
        'a plain name of that pattern is dialled',
        control !== undefined && isOk(control),
        control === undefined ? '' : summary(control),
      );
      bench.forbidden.reset();
      const asked = bench.names.questions.length;
      const steps = names.flatMap((name) => [tunnel(name), absolute(name)]);
      for (const [index, outcome] of (await bench.probe(bottle, steps)).entries())
        trial.attack(JSON.stringify(names[Math.floor(index / 2)]), gotThrough(outcome), summary(outcome));
      trial.attack('questions to the name server', bench.names.questions.length > asked, bench.names.questions.slice(asked));
      trial.attack('connections at the server', forbidden.connections > 0);
      await bottle.remove();
    },
  },
];

function httpStepTo(host: string, port: number): Step {
  return { kind: 'tcp', host, port, send: 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' };
}
