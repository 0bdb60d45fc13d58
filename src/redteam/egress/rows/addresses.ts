/** Addresses that change, or that mean something else in another family. */
import { Resolver } from 'node:dns/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';

const GREETING = 'private server reached';

/** A server on one address of the loopback; counts its connections. */
async function listenOn(
  bench: EgressBench,
  address: string,
  port = 0,
): Promise<{ readonly port: number; connections(): number } | undefined> {
  let connections = 0;
  const server = createServer((_request, response) => response.end(GREETING));
  server.on('connection', () => (connections += 1));
  const listening = await new Promise<boolean>((resolve) =>
    server.once('error', () => resolve(false)).listen(port, address, () => resolve(true)),
  );
  if (!listening) return undefined;
  bench.defer(() => server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

const get = (url: string): readonly string[] => ['curl', '-sS', '-i', '--max-time', '10', url];

export const ADDRESS_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E15',
    title: 'DNS rebinding',
    claim: 'A name is resolved once for each connection, and the address that was checked is the one that is dialled.',
    attack: 'an allowed name answers with a permitted address first and with a forbidden one the next time, without any lifetime',
    defence: 'resolve once, check, dial exactly that',
    control: 'who resolves once to check and once to dial reaches the forbidden server',
    async run(trial, bench) {
      const forbidden = await listenOn(bench, '127.0.0.3');
      const permitted = forbidden === undefined ? undefined : await listenOn(bench, '127.0.0.2', forbidden.port);
      if (forbidden === undefined || permitted === undefined)
        return trial.cannotProve('this machine has no server at 127.0.0.2 and 127.0.0.3');
      let asked = 0;
      bench.names.set('rebind.target.test', () => [['127.0.0.2', '127.0.0.3'][asked++ % 2] ?? '']);
      const resolver = new Resolver();
      resolver.setServers([bench.names.address]);
      const [checked] = await resolver.resolve4('rebind.target.test');
      const [dialled = ''] = await resolver.resolve4('rebind.target.test');
      const reached = await fetch(`http://${dialled}:${forbidden.port}/`).then((response) => response.text());
      trial.control(
        'resolved twice',
        checked === '127.0.0.2' && reached === GREETING && forbidden.connections() === 1,
        `${checked}, then ${dialled}`,
      );
      const route = {
        name: 'rebind',
        hosts: ['rebind.target.test'],
        ports: [forbidden.port],
        mode: 'inspect',
        plainUpstream: true,
        privateNetworks: ['127.0.0.2/32'],
      } as const;
      const bottle = await bench.bottle({ routes: [route] });
      const url = `http://rebind.target.test:${forbidden.port}/`;
      for (let round = 0; round < 8; round += 1) await bottle.run([...get(url), '-H', 'connection: close']);
      trial.control('the permitted address is dialled', permitted.connections() > 0, `${permitted.connections()} connections`);
      trial.attack('the forbidden address is dialled', forbidden.connections() > 1, `${forbidden.connections() - 1} connections`);
      await bottle.remove();
    },
  },
  {
    id: 'E16',
    title: 'IPv6, IPv4 in IPv6, NAT64',
    claim: 'Both address families get the same verdict, in whatever form an address comes.',
    attack: 'names that resolve to the loopback in IPv6, IPv4-mapped, IPv4-compatible, NAT64, 6to4 and Teredo forms',
    defence: 'an address is canonical before it is checked, and everything but the public internet is refused',
    control: 'with an exception for `::1` the same name is reached over IPv6',
    async run(trial, bench) {
      const server = await listenOn(bench, '::1');
      if (server === undefined) trial.cannotProve('this machine has no IPv6 loopback');
      const port = server?.port ?? bench.forbidden.plainPort;
      const forms = [
        '::1',
        '::ffff:127.0.0.1',
        '::127.0.0.1',
        '64:ff9b::7f00:1',
        '64:ff9b:1::7f00:1',
        '2002:7f00:1::',
        '2001:0:7f00:1::',
        'fe80::1',
        'fc00::1',
        '::',
        'ff02::1',
      ];
      const names = forms.map((form, index) => {
        bench.names.set(`v6-${index}.target.test`, [form]);
        return `v6-${index}.target.test`;
      });
      bench.names.set('v6-excepted.target.test', ['::1']);
      const common = { ports: [port], mode: 'inspect', plainUpstream: true } as const;
      const bottle = await bench.bottle({
        routes: [
          { name: 'v6', hosts: names, ...common },
          { name: 'v6-excepted', hosts: ['v6-excepted.target.test'], ...common, privateNetworks: ['::1/128'] },
        ],
      });
      const control = await bottle.run(get(`http://v6-excepted.target.test:${port}/`));
      if (server !== undefined) trial.control('with an exception', control.stdout.includes(GREETING), control.stdout.split('\r\n')[0]);
      const before = server?.connections() ?? 0;
      for (const [index, name] of names.entries()) {
        const { stdout } = await bottle.run(get(`http://${name}:${port}/`));
        trial.attack(forms[index] ?? '', !stdout.includes('x-terok-refused: address-not-allowed'), stdout.split('\r\n')[0]);
      }
      trial.attack('connections at the server', (server?.connections() ?? 0) > before);
      await bottle.remove();
    },
  },
];
