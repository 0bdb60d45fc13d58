/*
 * What a hostile program inside a sealed network tries, each with a positive control: the same probe, run where no seal is, succeeds.
 */
import { execFile, spawn } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { openSealedNetwork, sealedNetworkStatus } from '../../src/sidecars/gateway/index.ts';
import {
  countingNameServer,
  eventually,
  greetingServer,
  makeTestNetwork,
  probeFrom,
  removeTestNetworks,
  type TestNetwork,
  whyNoNamespaces,
} from '../integration/sealed-network-harness.ts';
import type { Probe } from '../integration/sealed-network-probe.ts';

const run = promisify(execFile);
const reason = whyNoNamespaces();
const ROUTE: Route = { name: 'example', hosts: ['example.com'], ports: [80, 443], mode: 'passthrough' };
/** No answer, no route, or a reset by the gateway: nothing else may happen to a probe */
const REFUSED = /^(ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|ECONNRESET|EADDRNOTAVAIL|EINVAL|no answer|NXDOMAIN)$/;
/** A network that stands for the outside world: its own namespace behind a veth pair */
const OUTSIDE = {
  namespace: `terokrt${process.pid}`,
  link: `terokrt${process.pid % 100_000}`,
  host: '10.213.77.1',
  address: '10.213.77.2',
};

let network: TestNetwork;

beforeAll(async () => {
  if (reason !== undefined) return;
  network = await makeTestNetwork([ROUTE]);
  await (await openSealedNetwork(network.plan)).ready;
});
beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterAll(removeTestNetworks);

async function expectSealed(probes: readonly Probe[]): Promise<void> {
  for (const outcome of await network.probe(probes)) expect(outcome).toMatch(REFUSED);
}

describe('DNS', () => {
  const LABELS = ['c2VjcmV0', 'random', 'x'.repeat(63)];
  const questions = (server: string, port: number): Probe[] =>
    (['A', 'AAAA', 'TXT', 'NULL', 'MX'] as const).flatMap((type) =>
      LABELS.map((label) => ({ kind: 'dns' as const, server, port, name: `${label}.evil.example.net`, type })),
    );

  it('never asks a name server of the host, neither on its loopback nor through the name server of the bottle', async () => {
    const server = await countingNameServer('127.0.0.5', 5_353);
    try {
      const control = await probeFrom([], questions('127.0.0.5', 5_353));
      expect(control.every((outcome) => outcome.startsWith('answered'))).toBe(true);
      expect(server.queries()).toBe(control.length);
      await expectSealed([...questions('127.0.0.5', 5_353), ...questions('198.18.0.1', 53)]);
      expect(server.queries()).toBe(control.length);
    } finally {
      server.close();
    }
  });

  it('never sends anything for a name below an allowed one or for an allowed one', async () => {
    const server = await countingNameServer('127.0.0.6', 5_354);
    try {
      const [control] = await probeFrom([], [{ kind: 'dns', server: '127.0.0.6', port: 5_354, name: 'example.com', type: 'A' }]);
      expect(control).toBe('answered 192.0.2.1');
      const [allowed, below] = await network.probe([
        { kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' },
        { kind: 'dns', server: '198.18.0.1', name: 'c2VjcmV0.example.com', type: 'A' },
      ]);
      expect(allowed).toMatch(/^answered 198\.1[89]\./);
      expect(below).toBe('NXDOMAIN');
      expect(server.queries()).toBe(1);
    } finally {
      server.close();
    }
  });
});

describe('the host', () => {
  it('is not reached on its loopback addresses or its own, whatever it listens on', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address);
    for (const listen of ['127.0.0.1', '127.0.0.5', '0.0.0.0']) {
      const server = await greetingServer(listen);
      try {
        const targets = listen === '0.0.0.0' ? ['127.0.0.1', '127.0.0.5', ...own] : [listen];
        const probes = targets.map((host): Probe => ({ kind: 'tcp', host, port: server.port }));
        const control = await probeFrom([], probes);
        expect(control).toEqual(targets.map(() => 'connected hello'));
        const before = server.connections();
        await expectSealed([
          ...probes,
          { kind: 'tcp', host: '198.18.0.1', port: server.port },
          { kind: 'tcp', host: `::ffff:${targets[0]}`, port: server.port },
        ]);
        expect(server.connections()).toBe(before);
      } finally {
        server.close();
      }
    }
  });

  it('is not reached over IPv6', async (context) => {
    const server = await greetingServer('::1').catch(() => undefined);
    if (server === undefined) return context.skip('this host has no IPv6 loopback');
    try {
      const probes: Probe[] = [{ kind: 'tcp', host: '::1', port: server.port }];
      expect(await probeFrom([], probes)).toEqual(['connected hello']);
      await expectSealed([
        ...probes,
        { kind: 'tcp', host: '2001:db8::1', port: server.port },
        { kind: 'tcp', host: 'fe80::1%lo', port: server.port },
        { kind: 'udp', host: '2001:db8::1', port: 53, text: 'x' },
      ]);
      expect(server.connections()).toBe(1);
    } finally {
      server.close();
    }
  });

  it('hears nothing on an abstract unix socket, which belongs to the network namespace', async () => {
    const program = `const net=require('net');const s=net.createConnection('\\0terok-redteam-${process.pid}',()=>{console.log('connected');process.exit()});s.on('error',e=>{console.log(e.code);process.exit()})`;
    const server = spawn(
      process.execPath,
      ['-e', `require('net').createServer(s=>s.end()).listen('\\0terok-redteam-${process.pid}',()=>console.log('up'))`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await new Promise((resolve) => server.stdout.once('data', resolve));
      expect((await run(process.execPath, ['-e', program])).stdout.trim()).toBe('connected');
      expect((await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program])).stdout.trim()).toBe(
        'ECONNREFUSED',
      );
    } finally {
      server.kill('SIGKILL');
    }
  });
});

describe('the world', () => {
  beforeAll(async () => {
    if (reason !== undefined) return;
    const { namespace, link, host, address } = OUTSIDE;
    await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await run('ip', ['addr', 'add', `${host}/30`, 'dev', link]);
    await run('ip', ['link', 'set', link, 'up']);
    await run('ip', ['-n', namespace, 'addr', 'add', `${address}/30`, 'dev', 'eth0']);
    await run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
  });
  afterAll(async () => {
    if (reason === undefined) await run('ip', ['netns', 'del', OUTSIDE.namespace]);
  });

  it('gets neither a connection nor a datagram by raw address', async () => {
    const program = `const net=require('net'),d=require('dgram');let n=0;const u=d.createSocket('udp4');
      u.on('message',(m,r)=>{n++;u.send(String(n),r.port,r.address)});u.bind(53);net.createServer(s=>{n++;s.end('n'+n)}).listen(443,()=>console.log('up'))`;
    const server = spawn('ip', ['netns', 'exec', OUTSIDE.namespace, process.execPath, '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await new Promise((resolve) => server.stdout.once('data', resolve));
      const probes: Probe[] = [
        { kind: 'tcp', host: OUTSIDE.address, port: 443 },
        { kind: 'udp', host: OUTSIDE.address, port: 53, text: 'x' },
      ];
      expect(await probeFrom([], probes)).toEqual(['connected n1', 'answered 2']);
      await expectSealed(probes);
      // The third thing that server hears is this control, so it heard nothing of the bottle
      expect(await probeFrom([], probes.slice(0, 1))).toEqual(['connected n3']);
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('has no route: every address outside the block is unreachable at once', async () => {
    const targets = ['1.1.1.1', '8.8.8.8', '169.254.169.254', '10.0.0.1', '198.20.0.1', '198.17.255.255', '224.0.0.251'];
    const outcomes = await network.probe(targets.map((host) => ({ kind: 'tcp', host, port: 53 })));
    expect(outcomes).toEqual(targets.map(() => 'ENETUNREACH'));
    expect(
      (await network.probe(targets.map((host) => ({ kind: 'udp', host, port: 53, text: 'x' })))).every(
        (outcome) => outcome === 'ENETUNREACH',
      ),
    ).toBe(true);
  });
});

describe('another bottle', () => {
  it('is not reached: the same addresses mean something else in each network', async () => {
    const other = await makeTestNetwork([{ ...ROUTE, hosts: ['other.example.org'] }]);
    await (await openSealedNetwork(other.plan)).ready;
    const waiting = other.probe([{ kind: 'tcp', host: '198.18.0.1', port: 2022 }]);
    await eventually('the other bottle waits', async () => (await sealedNetworkStatus(other.plan)).detail?.idleExecConnections === 1);
    const [control] = await other.probe([{ kind: 'dns', server: '198.18.0.1', name: 'other.example.org', type: 'A' }]);
    expect(control).toMatch(/^answered 198/);
    const address = (control ?? '').replace('answered ', '');
    await expectSealed([
      { kind: 'dns', server: '198.18.0.1', name: 'other.example.org', type: 'A' },
      { kind: 'tcp', host: address, port: 443 },
    ]);
    expect((await sealedNetworkStatus(network.plan)).detail?.idleExecConnections).toBe(0);
    await waiting;
  });
});

describe('a flood', () => {
  it('of connections to the control listener is cut and the gateway serves on', async () => {
    const program = `const net=require('net');let cut=0;for(let i=0;i<500;i++){const s=net.createConnection(2022,'198.18.0.1');s.on('error',()=>{cut++});}setTimeout(()=>{console.log(cut);process.exit()},1500)`;
    const { stdout } = await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program]);
    expect(Number(stdout)).toBeGreaterThanOrEqual(450);
    const [answer] = await network.probe([{ kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' }]);
    expect(answer).toMatch(/^answered 198/);
  });

  it('of broken and invented names leaves the gateway alive and the audit log small', async () => {
    const program = `const s=require('dgram').createSocket('udp4');const q=n=>{const l=Buffer.from(n);return Buffer.concat([Buffer.from([0,1,1,0,0,1,0,0,0,0,0,0,l.length]),l,Buffer.from([0,0,1,0,1])])};
      let i=0;const t=setInterval(()=>{for(let k=0;k<100;k++){s.send(q('n'+i++),53,'198.18.0.1');s.send(require('crypto').randomBytes(40),53,'198.18.0.1')}if(i>=10000){clearInterval(t);setTimeout(()=>process.exit(),300)}},2)`;
    await run('nsenter', [`--net=${network.files.namespace}`, '--', process.execPath, '-e', program]);
    await eventually('the gateway answers again', async () =>
      (await network.probe([{ kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' }]))[0]?.startsWith('answered'),
    );
    expect(network.audit().length).toBeLessThan(400);
  });
});
