import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import {
  closeSealedNetwork,
  openNamespace,
  openSealedNetwork,
  sealedNetworkStatus,
  setNetworkPolicy,
} from '../../src/sidecars/gateway/index.ts';
import { eventually, makeTestNetwork, processesOf, removeTestNetworks, whyNoNamespaces } from './sealed-network-harness.ts';

const reason = whyNoNamespaces();
const ROUTE: Route = { name: 'example', hosts: ['example.com', '*.example.org'], ports: [443], mode: 'passthrough' };

beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterEach(removeTestNetworks);

describe('an open sealed network', () => {
  it('answers allowed names with addresses of their own and no other name', async () => {
    const network = await makeTestNetwork([ROUTE]);
    await (await openSealedNetwork(network.plan)).ready;
    const dns = (name: string, type: 'A' | 'AAAA' | 'TXT' = 'A', tcp = false) => ({
      kind: 'dns' as const,
      server: '198.18.0.1',
      name,
      type,
      tcp,
    });
    const [exact, again, upper, wild, six, text, other, apex, gate, overTcp] = await network.probe([
      dns('example.com'),
      dns('example.com'),
      dns('EXAMPLE.com'),
      dns('a.example.org'),
      dns('example.com', 'AAAA'),
      dns('example.com', 'TXT'),
      dns('example.net'),
      dns('example.org'),
      dns('gate.terok.internal'),
      dns('example.com', 'A', true),
    ]);
    expect(exact).toMatch(/^answered 198\.1[89]\.\d+\.\d+$/);
    expect([again, upper, overTcp]).toEqual([exact, exact, exact]);
    expect(wild).toMatch(/^answered 198\.1[89]\.\d+\.\d+$/);
    expect(wild).not.toBe(exact);
    expect([six, text]).toEqual(['answered', 'answered']);
    expect([other, apex, gate]).toEqual(['NXDOMAIN', 'NXDOMAIN', 'NXDOMAIN']);
    await eventually('the refusal is recorded', () =>
      network.audit().some(({ kind, decision, target }) => kind === 'dns' && decision === 'deny' && target === 'example.net'),
    );
  });

  it('resets a connection to an address that stands for no name, and says so in the audit log', async () => {
    const network = await makeTestNetwork([ROUTE]);
    await (await openSealedNetwork(network.plan)).ready;
    const [unknown, elsewhere] = await network.probe([
      { kind: 'tcp', host: '198.18.200.200', port: 443 },
      { kind: 'tcp', host: '198.18.200.200', port: 444 },
    ]);
    expect(unknown).toBe('ECONNRESET');
    expect(elsewhere).toBe('ECONNREFUSED');
    await eventually('the reset is recorded', () =>
      network.audit().some(({ kind, target }) => kind === 'connect' && target === '198.18.200.200:443'),
    );
  });

  it('lets the proxy decide about an explicit request', async () => {
    const network = await makeTestNetwork([ROUTE]);
    await (await openSealedNetwork(network.plan)).ready;
    const [refused] = await network.probe([
      {
        kind: 'tcp',
        host: '198.18.0.1',
        port: 3128,
        send: 'CONNECT other.example.net:443 HTTP/1.1\r\nhost: other.example.net:443\r\n\r\n',
      },
    ]);
    expect(refused).toMatch(/^connected HTTP\/1\.1 4\d\d /);
  });

  it('has a git gate of its own, also where a route names its port', async () => {
    const gate = { repository: '/nonexistent', writableRef: 'refs/heads/terok/test' };
    for (const ports of [[443], [80, 443]]) {
      const network = await makeTestNetwork([{ ...ROUTE, ports }], { gate });
      await (await openSealedNetwork(network.plan)).ready;
      const [name, answer] = await network.probe([
        { kind: 'dns', server: '198.18.0.1', name: 'gate.terok.internal', type: 'A' },
        {
          kind: 'tcp',
          host: '198.18.0.2',
          port: 80,
          send: 'GET /etc/passwd HTTP/1.1\r\nhost: gate.terok.internal\r\nconnection: close\r\n\r\n',
        },
      ]);
      expect(name).toBe('answered 198.18.0.2');
      expect(answer).toMatch(/^connected HTTP\/1\.1 4\d\d /);
    }
  });

  it('names its namespace by a stable path and keeps its files private', async () => {
    const network = await makeTestNetwork([ROUTE]);
    const sealed = await openSealedNetwork(network.plan);
    await sealed.ready;
    expect(readlinkSync(sealed.namespacePath)).toBe(`/proc/${network.holder()?.pid}/ns/net`);
    expect(readlinkSync(readlinkSync(sealed.namespacePath))).not.toBe(readlinkSync('/proc/self/ns/net'));
    for (const file of [network.files.plan, network.files.controlSocket, network.files.execSocket])
      expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('goes into the namespace that was made for it before, where nothing listened until then', async () => {
    const network = await makeTestNetwork([ROUTE]);
    await openNamespace(network.plan);
    const before = network.holder();
    expect(before).toBeDefined();
    expect(await network.probe([{ kind: 'tcp', host: '198.18.0.1', port: 53 }])).toEqual(['ECONNREFUSED']);
    await openNamespace(network.plan);
    await (await openSealedNetwork(network.plan)).ready;
    expect(network.holder()).toEqual(before);
    expect(await network.probe([{ kind: 'tcp', host: '198.18.0.1', port: 53 }])).toEqual([expect.stringMatching(/^connected/)]);
  });

  it('leaves nothing where only its namespace was made', async () => {
    const network = await makeTestNetwork([]);
    await openNamespace(network.plan);
    const namespace = readlinkSync(readlinkSync(network.files.namespace));
    expect(processesOf(network.plan.stateDir, namespace)).toEqual([network.holder()?.pid]);
    await closeSealedNetwork(network.plan);
    expect(processesOf(network.plan.stateDir, namespace)).toEqual([]);
  });

  it('opens the port of a new policy, closes the port of an old one and keeps the policy on disk', async () => {
    const network = await makeTestNetwork([{ ...ROUTE, ports: [9443] }]);
    await (await openSealedNetwork(network.plan)).ready;
    const before = await network.probe([{ kind: 'tcp', host: '198.18.200.200', port: 8443 }]);
    const policy = { version: 1 as const, routes: [{ ...ROUTE, hosts: ['new.example.com'], ports: [8443, 3128] }] };
    await setNetworkPolicy(network.plan, policy);
    const after = await network.probe([
      { kind: 'tcp', host: '198.18.200.200', port: 8443 },
      { kind: 'tcp', host: '198.18.200.200', port: 9443 },
      { kind: 'tcp', host: '198.18.0.1', port: 3128, send: 'GET / HTTP/1.1\r\n\r\n' },
      { kind: 'dns', server: '198.18.0.1', name: 'new.example.com', type: 'A' },
      { kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' },
    ]);
    expect(before).toEqual(['ECONNREFUSED']);
    expect(after.slice(0, 2)).toEqual(['ECONNRESET', 'ECONNREFUSED']);
    expect(after[2]).toMatch(/^connected HTTP/);
    expect(after[3]).toMatch(/^answered 198/);
    expect(after[4]).toBe('NXDOMAIN');
    expect(JSON.parse(readFileSync(network.files.plan, 'utf8'))).toMatchObject({ policy });
  });

  it('refuses to start without a secret that a route injects, in the words of the gateway', async () => {
    const inject = { secret: 'api-key', header: 'x-api-key', phantom: 'phantom' };
    const network = await makeTestNetwork([{ ...ROUTE, mode: 'inspect', inject }]);
    const sealed = await openSealedNetwork(network.plan);
    await expect(sealed.ready).rejects.toMatchObject({
      code: 'GATEWAY_FAILED',
      message: expect.stringContaining('`api-key`') as string,
      hint: expect.stringContaining('terok secret set api-key') as string,
    });
    await eventually('the keeper gave up', () => network.keeper() === undefined);
  });

  it('leaves nothing behind when it is closed', async () => {
    const network = await makeTestNetwork([ROUTE]);
    const sealed = await openSealedNetwork(network.plan);
    await sealed.ready;
    const namespace = readlinkSync(`/proc/${network.holder()?.pid}/ns/net`);
    expect(processesOf(network.plan.stateDir, namespace).length).toBeGreaterThanOrEqual(3);
    await closeSealedNetwork(network.plan);
    await closeSealedNetwork(network.plan);
    await eventually('no process is left', () => processesOf(network.plan.stateDir, namespace).length === 0);
    expect(await sealedNetworkStatus(network.plan)).toEqual({ holder: 'gone', keeper: 'gone', gateway: 'gone' });
    expect(statSync(network.plan.runtimeDir, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('brings each client of the exec socket together with one waiting connection of the bottle, and half-closes', async () => {
    const network = await makeTestNetwork([ROUTE]);
    const sealed = await openSealedNetwork(network.plan);
    await sealed.ready;
    const bottle = network.probe([{ kind: 'tcp', host: '198.18.0.1', port: 2022 }]);
    await eventually('the bottle waits', async () => (await sealedNetworkStatus(network.plan)).detail?.idleExecConnections === 1);
    const sent = await new Promise<string>((resolve, reject) => {
      const client = createConnection({ path: sealed.execSocket, allowHalfOpen: true }, () => client.end('hello bottle'));
      let text = '';
      client.on('data', (chunk) => {
        text += chunk.toString();
      });
      client.on('error', reject).on('close', () => resolve(text));
    });
    expect(await bottle).toEqual(['connected ghello bottle']);
    expect(sent).toBe('');
  });
});
