import { connect } from 'node:net';
import { expect } from 'vitest';
import { type Bottle, patient, systemCodeOf } from '../../../src/core/index.ts';
import { type ConformanceCase, withoutIsolation, withoutSeal } from '../support/case.ts';
import { freePort, lanAddress, listenTcp, listenUdp, reachesTcp, sendUdp } from '../support/host.ts';
import { elapsedMs, errorOf, sh, shOutput, uniqueWord, waitUntil } from '../support/in-bottle.ts';

/** Tries a TCP connection: `open <first bytes>`, or how it failed. */
async function tryTcp(bottle: Bottle, host: string, port: number): Promise<string> {
  const script = 'exec 3<>"/dev/tcp/$0/$1" && { read -r -t 1 -n 5 -u 3 greeting; echo "open $greeting"; }';
  const { stdout } = await bottle.exec(['timeout', '4', 'bash', '-c', script, host, String(port)], { timeoutMs: patient(10_000) });
  return stdout.toString().trim() || 'closed';
}

async function sendFromBottle(bottle: Bottle, host: string, port: number): Promise<void> {
  await bottle.exec(
    ['timeout', '4', 'bash', '-c', 'exec 3>"/dev/udp/$0/$1"; for i in 1 2 3; do printf leak >&3; done', host, String(port)],
    { timeoutMs: patient(10_000) },
  );
}

/** Programs in the image that the attack needs; without them the case would pass for the wrong reason. */
async function has(bottle: Bottle, program: string): Promise<boolean> {
  const { status } = await sh(bottle, 'command -v "$0" >/dev/null', [program]);
  return status.kind === 'exited' && status.code === 0;
}

/** Starts a server in the bottle that greets with `hello`. */
async function greet(bottle: Bottle, port: number, address: 'INADDR_ANY' | 'INADDR_LOOPBACK'): Promise<void> {
  const server = `use Socket; socket(S,AF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1); bind(S,sockaddr_in($ARGV[0],${address})) or die $!; listen(S,5); $|=1; print "ready\n"; while(accept(C,S)){print C "hello";close C}`;
  const running = await bottle.spawn(['perl', '-e', server, String(port)]);
  await new Promise((resolve) => running.stdout.once('data', resolve));
}

/** What who connects from the host gets: the first bytes, `refused` where nobody listens, `reset` where it leads nowhere. */
async function answerOf(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  return await new Promise<string>((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', (error) => resolve(systemCodeOf(error) === 'ECONNREFUSED' ? 'refused' : 'reset'));
  }).finally(() => socket.destroy());
}

const hostAddresses = (): string[] => ['127.0.0.1', '127.0.0.5', ...(lanAddress() === undefined ? [] : [lanAddress() as string])];

export const networkCases: readonly ConformanceCase[] = [
  {
    id: 'F43',
    title: 'a raw address is unreachable at once',
    unless: withoutSeal,
    run: async ({ bottle, under }) => {
      for (const [host, port] of [
        ['1.1.1.1', 443],
        ['8.8.8.8', 53],
        ['10.0.0.1', 80],
        ['192.168.1.1', 80],
      ] as const) {
        let answer = '';
        expect(await elapsedMs(async () => (answer = await tryTcp(bottle, host, port)))).toBeLessThan(patient(3_000));
        expect(`${host} ${answer}`).toBe(`${host} closed`);
      }
      // a kernel of its own may have an interface without a wire, so that programs see one
      const ownDevices = under.backend.capabilities.ownKernel ? '^(Iface|dummy0)' : '^Iface';
      expect(await shOutput(bottle, 'grep -vE "$0" /proc/net/route; :', [ownDevices])).toBe('');
    },
  },
  {
    id: 'F44',
    title: 'no UDP packet leaves the bottle',
    unless: withoutSeal,
    run: async ({ bottle, atEnd }) => {
      for (const address of hostAddresses()) {
        const listener = await listenUdp(address);
        atEnd(listener.close);
        await sendUdp(address, listener.port);
        await waitUntil(() => listener.seen() === 1, 2_000, 'the control packet arrives');
        await sendFromBottle(bottle, address, listener.port);
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect(listener.seen()).toBe(1);
      }
    },
  },
  {
    id: 'F45',
    title: 'a name that no route allows does not resolve, and no query leaves',
    unless: withoutSeal,
    run: async ({ bottle }) => {
      for (const name of [
        `${uniqueWord()}.example.com`,
        'example.com',
        'localhost.localdomain.example',
        'metadata.google.internal',
        'host.containers.internal',
      ]) {
        expect(`${name} ${(await sh(bottle, 'getent ahosts "$0"', [name])).stdout.toString()}`).toBe(`${name} `);
      }
      expect(await shOutput(bottle, 'getent hosts localhost >/dev/null && echo local')).toBe('local');
      expect(await shOutput(bottle, 'grep -v "^#" /etc/resolv.conf | grep nameserver')).toBe('nameserver 198.18.0.1');
    },
  },
  {
    id: 'F46',
    title: 'servers of the host are unreachable on every address',
    unless: withoutSeal,
    run: async ({ bottle, atEnd }) => {
      for (const bound of [...hostAddresses(), '0.0.0.0']) {
        const listener = await listenTcp(bound);
        atEnd(listener.close);
        const targets = bound === '0.0.0.0' ? hostAddresses() : [bound];
        for (const host of targets) {
          expect(await reachesTcp({ host, port: listener.port })).toBe(true);
          expect(`${host} ${await tryTcp(bottle, host, listener.port)}`).toBe(`${host} closed`);
        }
        expect(listener.seen()).toBe(targets.length);
      }
    },
  },
  {
    id: 'F47',
    title: 'of the gateway only its own ports are open',
    unless: withoutSeal,
    run: async ({ bottle }) => {
      expect(await tryTcp(bottle, '198.18.0.1', 53)).toMatch(/^open/);
      const found = await Promise.all(
        [1, 22, 54, 80, 443, 2021, 2023, 3129, 8080].map(async (port) => `${port} ${await tryTcp(bottle, '198.18.0.1', port)}`),
      );
      expect(found.filter((line) => !line.endsWith('closed') && !/^(80|443) open$/.test(line))).toEqual([]);
    },
  },
  {
    id: 'F48',
    title: 'unix sockets of the host are out of reach, also abstract ones',
    unless: withoutSeal,
    run: async ({ bottle, atEnd, skip }) => {
      if (!(await has(bottle, 'perl'))) return skip('the image has no perl to try abstract sockets with');
      const name = `\0${uniqueWord()}`;
      const listener = await listenTcp({ path: name });
      atEnd(listener.close);
      expect(await reachesTcp({ path: name })).toBe(true);
      const script =
        'use Socket; socket(S,AF_UNIX,SOCK_STREAM,0) or die; print connect(S,pack_sockaddr_un("\\0".$ARGV[0])) ? "open" : "closed $!"';
      expect((await bottle.exec(['perl', '-e', script, name.slice(1)])).stdout.toString()).toMatch(/^closed/);
      expect(listener.seen()).toBe(1);
    },
  },
  {
    id: 'F49',
    title: 'metadata, IPv6, mapped, zero and decimal spellings of addresses lead nowhere',
    unless: withoutSeal,
    run: async ({ bottle, atEnd }) => {
      const listener = await listenTcp('0.0.0.0');
      const listener6 = await listenTcp('::1').catch(() => undefined);
      atEnd(listener.close);
      if (listener6 !== undefined) atEnd(listener6.close);
      expect(await reachesTcp({ host: '127.0.0.1', port: listener.port })).toBe(true);
      for (const host of [
        '169.254.169.254',
        'fd00:ec2::254',
        '0.0.0.0',
        '2130706433',
        '0x7f000001',
        '127.1',
        '::ffff:127.0.0.1',
        '::',
        '100.100.100.200',
      ]) {
        expect(`${host} ${await tryTcp(bottle, host, listener.port)}`).toBe(`${host} closed`);
      }
      for (const host of ['::1', '2606:4700:4700::1111', 'fe80::1']) {
        expect(`${host} ${await tryTcp(bottle, host, listener6?.port ?? 443)}`).toBe(`${host} closed`);
      }
      expect([listener.seen(), listener6?.seen() ?? 0]).toEqual([1, 0]);
    },
  },
  {
    id: 'F50',
    title: 'a published port is on one address of the host only, and leads to the loopback of its bottle',
    run: async ({ bottle: other, under, atEnd, skip }) => {
      if (!(await has(other, 'perl'))) return skip('the image has no perl to listen with');
      const [hostPort, port] = [await freePort(), await freePort()];
      const bottle = await under.launch({ ports: [{ hostPort, port }] });
      atEnd(() => under.backend.remove(bottle.id));
      const address = await under.addressOf(bottle);
      expect(await answerOf(address, hostPort)).toBe('reset');
      expect(await errorOf(bottle.connect(port))).toMatchObject({ code: 'NOT_FOUND', context: { kind: 'port', port } });
      await greet(bottle, port, 'INADDR_LOOPBACK');
      expect(await answerOf(address, hostPort)).toBe('hello');
      for (const host of hostAddresses()) expect(`${host} ${await answerOf(host, hostPort)}`).toBe(`${host} refused`);
      if (withoutSeal(under.backend) !== undefined) return;
      for (const from of [other, bottle]) expect(await tryTcp(from, address, hostPort)).toBe('closed');
    },
  },
  {
    id: 'F51',
    title: 'another bottle is unreachable',
    unless: withoutSeal,
    run: async ({ bottle, under, skip }) => {
      if (!(await has(bottle, 'perl'))) return skip('the image has no perl to listen with');
      const other = await under.launch();
      try {
        await greet(other, 4567, 'INADDR_ANY');
        expect(await tryTcp(other, '127.0.0.1', 4567)).toBe('open hello');
        for (const host of ['127.0.0.1', '198.18.0.1', '198.18.0.2', '198.18.1.0'])
          expect(`${host} ${await tryTcp(bottle, host, 4567)}`).toBe(`${host} closed`);
      } finally {
        await under.backend.remove(other.id);
      }
    },
  },
  {
    id: 'F52',
    title: 'raw, packet and vsock sockets are refused, for root as well',
    unless: withoutIsolation,
    run: async ({ bottle, skip, under }) => {
      if (!(await has(bottle, 'perl'))) return skip('the image has no perl to open sockets with');
      if (under.backend.capabilities.ownKernel) return skip('the bottle’s own kernel may have such sockets; they lead nowhere');
      // family, type, protocol: the first is the control
      const sockets = ['2 1 0', '2 3 1', '17 3 768', '40 1 0', '38 5 0', '16 3 12'];
      const script = 'for (@ARGV) { my ($f,$t,$p) = split; print socket(my $s,$f,$t,$p) ? "open " : "refused " }';
      for (const user of ['agent', 'root'] as const) {
        expect((await bottle.exec(['perl', '-e', script, ...sockets], { user })).stdout.toString().trim()).toBe(
          'open refused refused refused refused refused',
        );
      }
    },
  },
];
