import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOST_LOOPBACK_NAME, type ProcessIdentity, type Route } from '../../src/core/index.ts';
import { closeSealedNetwork, openSealedNetwork, reopenSealedNetwork, sealedNetworkStatus } from '../../src/sidecars/gateway/index.ts';
import {
  eventually,
  makeTestNetwork,
  processesOf,
  removeTestNetworks,
  type TestNetwork,
  whyNoNamespaces,
} from './sealed-network-harness.ts';

const reason = whyNoNamespaces();
const OPENER = fileURLToPath(new URL('sealed-network-opener.ts', import.meta.url));
const ROUTE: Route = { name: 'example', hosts: ['example.com'], ports: [443], mode: 'passthrough' };
const ASK = { kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' } as const;

beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterEach(removeTestNetworks);

function kill(identity: ProcessIdentity | undefined): void {
  if (identity === undefined) throw new Error('the process to kill does not run');
  process.kill(identity.pid, 'SIGKILL');
}

async function openReady(): Promise<TestNetwork> {
  const network = await makeTestNetwork([ROUTE]);
  await (await openSealedNetwork(network.plan)).ready;
  return network;
}

const isServing = (network: TestNetwork) => async (): Promise<boolean> => (await sealedNetworkStatus(network.plan)).gateway === 'serving';

function namespaceOf(network: TestNetwork): string {
  return readlinkSync(`/proc/${network.holder()?.pid}/ns/net`);
}

async function expectNothingLeft(network: TestNetwork, namespace?: string): Promise<void> {
  await closeSealedNetwork(network.plan);
  await eventually('no process is left', () => processesOf(network.plan.stateDir, namespace).length === 0, 15_000);
}

describe('a sealed network after kill -9', () => {
  it('of the gateway: another one serves the same names, and until then nobody does', async () => {
    const network = await openReady();
    const [before] = await network.probe([ASK]);
    const first = network.gateway();
    kill(first);
    const meanwhile = await network.probe([{ kind: 'tcp', host: '192.0.2.1', port: 443 }]);
    await eventually('a new gateway serves', isServing(network));
    expect(network.gateway()?.pid).not.toBe(first?.pid);
    expect(await network.probe([ASK])).toEqual([before]);
    expect(meanwhile).toEqual(['ENETUNREACH']);
  });

  it('of the gateway under load: requests fail or are whole, none that is not allowed gets out, and new ones succeed', async () => {
    const seen: string[] = [];
    const server = http.createServer((request, response) => {
      seen.push(request.url ?? '');
      setTimeout(() => response.end('whole'), 20);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const host = HOST_LOOPBACK_NAME;
    const route: Route = {
      name: 'load',
      hosts: [host],
      ports: [port],
      mode: 'inspect',
      paths: ['/ok'],
      privateNetworks: ['127.0.0.1/32'],
    };
    const network = await makeTestNetwork([route]);
    await (await openSealedNetwork(network.plan)).ready;
    const ask = (path: string) =>
      ({
        kind: 'tcp',
        host: '198.18.0.1',
        port: 3128,
        send: `GET http://${host}:${port}${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`,
      }) as const;
    const load = Array.from({ length: 4 }, () => network.probe(Array.from({ length: 60 }, (_, at) => ask(at % 2 === 0 ? '/ok' : '/no'))));
    await eventually('requests pass', () => seen.length > 4, 15_000);
    const first = network.gateway();
    kill(first);
    const outcomes = (await Promise.all(load)).flat();
    expect(outcomes.some((outcome) => outcome.includes(' 200 OK'))).toBe(true);
    for (const outcome of outcomes.filter((text) => text.includes(' 200 OK'))) expect(outcome).toMatch(/whole/);
    expect(new Set(seen)).toEqual(new Set(['/ok']));
    await eventually('a new gateway serves', isServing(network), 15_000);
    expect(network.gateway()?.pid).not.toBe(first?.pid);
    expect((await network.probe([ask('/ok'), ask('/no')])).map((outcome) => / (\d{3}) /.exec(outcome)?.[1])).toEqual(['200', '403']);
    server.close();
    server.closeAllConnections();
  });

  it('of the gateway, five times in a row: it still comes back', async () => {
    const network = await openReady();
    for (let round = 0; round < 5; round += 1) {
      kill(await eventually('a gateway runs', () => network.gateway()));
      await sleep(30);
    }
    await eventually('a new gateway serves', isServing(network), 15_000);
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
  });

  it('of the keeper: the gateway serves on, gets a new keeper, and that one does its work', async () => {
    const network = await openReady();
    const gateway = network.gateway();
    kill(network.keeper());
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
    await eventually('a new keeper runs', () => network.keeper());
    expect(network.gateway()).toEqual(gateway);
    kill(gateway);
    await eventually('a new gateway runs', () => network.gateway() !== undefined && network.gateway()?.pid !== gateway?.pid);
    await eventually('it serves', isServing(network));
  });

  it('of keeper and gateway: the bottle has no network until reopen repairs it', async () => {
    const network = await openReady();
    const holder = network.holder();
    kill(network.keeper());
    kill(network.gateway());
    await eventually('the gateway is gone', () => network.gateway() === undefined);
    expect(await network.probe([ASK, { kind: 'tcp', host: '198.18.0.1', port: 3128 }])).toEqual(
      ['ECONNREFUSED', 'ECONNREFUSED'].map((code) => expect.stringMatching(`${code}|no answer`) as string),
    );
    const reopened = await reopenSealedNetwork(network.plan);
    await reopened.ready;
    expect(reopened.namespace).toBe('kept');
    expect(network.holder()).toEqual(holder);
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
  });

  it('of the holder: the gateway and its keeper end, and reopen makes a new namespace', async () => {
    const network = await openReady();
    const namespace = namespaceOf(network);
    kill(network.holder());
    await eventually('gateway and keeper are gone', () => network.gateway() === undefined && network.keeper() === undefined);
    const reopened = await reopenSealedNetwork(network.plan);
    await reopened.ready;
    expect(reopened.namespace).toBe('new');
    expect(readlinkSync(reopened.namespacePath)).toBe(`/proc/${network.holder()?.pid}/ns/net`);
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
    await expectNothingLeft(network, namespace);
  });

  it('of the helper that opens the listeners where a user namespace owns the network: the start still succeeds', async () => {
    const network = await makeTestNetwork([ROUTE], { namespaceLauncher: ['unshare', '--user', '--map-root-user', '--'] });
    const sealed = await openSealedNetwork(network.plan);
    const helper = await eventually('the helper runs', () => helperOf(network.gateway()?.pid));
    process.kill(helper, 'SIGKILL');
    await sealed.ready;
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
    expect(readFileSync(network.files.log, 'utf8')).toContain('SIGKILL');
  });

  it('of the process that opened it, at any moment: what runs goes on, what is half made is repaired, and close removes all', async () => {
    for (const delayMs of [100, 130, 160, 200, 300, 600]) {
      const network = await makeTestNetwork([ROUTE]);
      const opener = spawn(process.execPath, [OPENER, JSON.stringify(network.plan)], { stdio: 'ignore' });
      await sleep(delayMs);
      opener.kill('SIGKILL');
      const reopened = await reopenSealedNetwork(network.plan);
      await reopened.ready;
      expect((await network.probe([ASK]))[0], `killed after ${delayMs} ms`).toMatch(/^answered 198/);
      await expectNothingLeft(network, namespaceOf(network));
    }
  });
});

describe('a sealed network whose opener is gone', () => {
  it('goes on', async () => {
    const network = await makeTestNetwork([ROUTE]);
    const opener = spawn(process.execPath, [OPENER, JSON.stringify(network.plan)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const { pid } = opener;
    if (pid === undefined) throw new Error('the opener did not start');
    let text = '';
    opener.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await eventually('it is ready', () => text.includes('ready'));
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It had ended by itself
    }
    await sleep(600);
    expect(await sealedNetworkStatus(network.plan)).toMatchObject({ holder: 'alive', keeper: 'alive', gateway: 'serving' });
  });
});

describe('reopen', () => {
  it('changes nothing where all is alive', async () => {
    const network = await openReady();
    const before = [network.holder(), network.keeper(), network.gateway()];
    const reopened = await reopenSealedNetwork(network.plan);
    await reopened.ready;
    expect([network.holder(), network.keeper(), network.gateway()]).toEqual(before);
    expect(reopened.namespace).toBe('kept');
  });

  it('makes everything new after a reboot, which leaves the records and takes processes and runtime directory', async () => {
    const network = await openReady();
    for (const identity of [network.keeper(), network.gateway(), network.holder()]) kill(identity);
    rmSync(network.plan.runtimeDir, { recursive: true });
    const reopened = await reopenSealedNetwork(network.plan);
    await reopened.ready;
    expect(reopened.namespace).toBe('new');
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
  });

  it('makes one network of several openings at the same instant', async () => {
    const network = await makeTestNetwork([ROUTE]);
    const opened = await Promise.all([openSealedNetwork(network.plan), reopenSealedNetwork(network.plan), openSealedNetwork(network.plan)]);
    await opened[2].ready;
    const namespace = namespaceOf(network);
    expect((await network.probe([ASK]))[0]).toMatch(/^answered 198/);
    await expectNothingLeft(network, namespace);
  });
});

describe('close', () => {
  it('works from every state', async () => {
    const states: ((network: TestNetwork) => Promise<void> | void)[] = [
      () => undefined,
      async (network) => void (await openSealedNetwork(network.plan)),
      async (network) => (await openSealedNetwork(network.plan)).ready,
      async (network) => {
        await (await openSealedNetwork(network.plan)).ready;
        kill(network.gateway());
      },
      async (network) => {
        await (await openSealedNetwork(network.plan)).ready;
        kill(network.keeper());
      },
      async (network) => {
        await (await openSealedNetwork(network.plan)).ready;
        kill(network.holder());
      },
    ];
    for (const reach of states) {
      const network = await makeTestNetwork([ROUTE]);
      await reach(network);
      const holder = network.holder();
      await expectNothingLeft(network, holder === undefined ? undefined : namespaceOf(network));
    }
  });
});

function helperOf(gateway: number | undefined): number | undefined {
  if (gateway === undefined) return undefined;
  const children = readFileSync(`/proc/${gateway}/task/${gateway}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}
