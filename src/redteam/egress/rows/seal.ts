/** Packets that would leave a bottle beside its gateway. */
import { networkInterfaces } from 'node:os';
import type { Outcome, Step } from '../../programs/steps.ts';
import type { Row } from '../../row.ts';
import type { Trial } from '../../trial.ts';
import type { EgressBench } from '../egress-bench.ts';
import { httpStep, isOk, summary } from '../http-step.ts';

const SERVICE = '198.18.0.1';
/** Addresses of documentation: nobody has them, so that even a broken seal attacks nobody. */
const WORLD = ['192.0.2.53', '198.51.100.7', '2001:db8::53'] as const;
/** What a cloud or a home network keeps where only its own machines should look. Nothing of a bottle may come near. */
const NEAR = ['169.254.169.254', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '127.0.0.53', 'fd00:ec2::254'] as const;

const dns = '0007010000010000000000000663327663627404746573740000010001';

const tcp = (host: string, port: number): Step => ({ kind: 'tcp', host, port, send: 'GET / HTTP/1.0\r\n\r\n' });
const udp = (host: string, port: number): Step => ({ kind: 'udp', host, port, sendHex: dns });
const nameOf = ({ kind, host, port }: Step): string => `${kind} ${host}:${port}`;
const came = ({ reached, text }: Outcome): boolean => reached && text !== '';

/** The same steps in a network that leads there, and in the bottle. IPv6 may be missing on this machine; then its steps prove nothing. */
async function attackSeal(trial: Trial, bench: EgressBench, steps: readonly Step[], env: readonly string[] = []): Promise<void> {
  const bottle = await bench.shared();
  const world = await bench.probeWorld(steps);
  if (world === undefined) trial.cannotProve('this user cannot make a network namespace (`unshare --net`)');
  const proven = steps.filter((_, index) => came(world?.[index] ?? { reached: false, text: '' }));
  const working = proven.some(({ host }) => !host.includes(':'));
  trial.control('the same program in a network that leads there', working, `${proven.length} of ${steps.length} answered`);
  const outcomes =
    env.length === 0 ? await bench.probe(bottle, steps) : await bench.programs.insideWith<Outcome[]>(env, bottle, 'probe', steps);
  for (const [index, outcome] of outcomes.entries()) {
    const step = steps[index];
    if (step !== undefined && (world === undefined || proven.includes(step))) trial.attack(nameOf(step), came(outcome), summary(outcome));
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
    .map(({ address }) => address);
}

export const SEAL_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E2',
    title: 'raw DNS, DNS over TLS, HTTPS and QUIC, multicast DNS',
    claim: 'No datagram leaves a bottle, and its name server is the only one that it can ask.',
    attack: 'asks name servers of its own choice on every port that DNS has',
    defence: 'the network of the bottle leads nowhere; the gateway listens for DNS on one address and port',
    control: 'the same program in a network namespace that has these addresses gets answers',
    async run(trial, bench) {
      const steps = WORLD.flatMap((host) => [
        ...[53, 443, 853, 5353].map((port) => udp(host, port)),
        ...[53, 443, 853].map((port) => tcp(host, port)),
      ]);
      await attackSeal(trial, bench, steps);
      const [multicast, ...own] = await bench.probe(await bench.shared(), [
        udp('224.0.0.251', 5353),
        ...[443, 853, 5353].map((port) => udp(SERVICE, port)),
        ...[443, 853].map((port) => tcp(SERVICE, port)),
      ]);
      trial.attack('multicast DNS', multicast?.reached === true, multicast?.error);
      trial.attack('other ports of the name server', own.some(came), own.map(summary));
    },
  },
  {
    id: 'E18',
    title: 'metadata services, the host, its LAN, other bottles',
    claim: 'Link-local, private, carrier and loopback addresses are out of reach in the network itself, and through the gateway as well.',
    attack: 'dials these addresses, and names that resolve to them',
    defence: 'the seal; behind the gateway, a check of the address that is dialled',
    control: 'the same program in a namespace with these addresses; a route that excepts its private network',
    async run(trial, bench) {
      await attackSeal(
        trial,
        bench,
        NEAR.flatMap((host) => [tcp(host, 80), tcp(host, 443), udp(host, 53)]),
      );
      await attackHost(trial, bench);
      await attackByName(trial, bench);
    },
  },
  {
    id: 'E19',
    title: 'a client that ignores the proxy variables',
    claim: 'The network enforces the policy, not the goodwill of a client.',
    attack: 'opens sockets with an empty environment',
    defence: 'the seal: without the gateway there is no way out, and transparent connections are judged like the others',
    control: 'the same program in a network namespace that leads there; an allowed host answers the same client',
    async run(trial, bench) {
      await attackSeal(
        trial,
        bench,
        WORLD.flatMap((host) => [tcp(host, 80), tcp(host, 443), udp(host, 443)]),
        ['env', '-i'],
      );
      const allowed = httpStep(bench.target, { secure: false });
      const denied = httpStep(bench.target, { secure: false, path: '/other' });
      const outcomes = await bench.programs.insideWith<Outcome[]>(['env', '-i'], await bench.shared(), 'probe', [allowed, denied]);
      trial.control('an allowed request without any variable', outcomes[0] !== undefined && isOk(outcomes[0]), outcomes.map(summary));
      trial.attack('another path of the same host', outcomes[1] !== undefined && isOk(outcomes[1]));
    },
  },
];

/** Servers of this machine, on its loopback and its own addresses: reached from outside of the bottle, not from inside. */
async function attackHost(trial: Trial, bench: EgressBench): Promise<void> {
  const { plainPort } = bench.forbidden;
  const hosts = ['127.0.0.1', '::ffff:127.0.0.1'];
  const outside = await bench.probeOutside([tcp('127.0.0.1', plainPort)]);
  trial.control('a server on the loopback of this machine, from outside', outside.some(came), outside.map(summary));
  const steps = [...hosts, ...ownAddresses(), SERVICE, '198.18.0.2'].map((host) => tcp(host, plainPort));
  for (const [index, outcome] of (await bench.probe(await bench.shared(), steps)).entries())
    trial.attack(`this machine at ${steps[index]?.host}`, came(outcome), summary(outcome));
}

/** One bottle, two routes that differ in the exception alone. */
async function attackByName(trial: Trial, bench: EgressBench): Promise<void> {
  const near = [...NEAR, ...ownAddresses(), '127.0.0.1', '::1', '0.0.0.0', '255.255.255.255'];
  const names = near.map((address, index) => {
    bench.names.set(`near${index}.target.test`, [address]);
    return `near${index}.target.test`;
  });
  const route = { hosts: names, ports: [bench.forbidden.plainPort], mode: 'inspect', plainUpstream: true } as const;
  bench.names.set('excepted.target.test', ['127.0.0.1']);
  const excepted = { ...route, name: 'excepted', hosts: ['excepted.target.test'], privateNetworks: ['127.0.0.0/8'] };
  const bottle = await bench.bottle({ routes: [{ ...route, name: 'near' }, excepted] });
  const get = (name: string) => bottle.run(['curl', '-sS', '-i', '--max-time', '10', `http://${name}:${bench.forbidden.plainPort}/`]);
  const control = await get('excepted.target.test');
  trial.control('a name with an exception', control.stdout.includes('200 OK'), control.stdout.split('\r\n')[0]);
  bench.forbidden.reset();
  const answers = await Promise.all(names.map(get));
  for (const [index, { stdout }] of answers.entries())
    trial.attack(`a name for ${near[index]}`, !/^x-terok-refused: address-not-allowed/im.test(stdout), stdout.split('\r\n')[0]);
  trial.attack('connections of the gateway', bench.forbidden.connections > 0, `${bench.forbidden.connections}`);
  await bottle.remove();
}
