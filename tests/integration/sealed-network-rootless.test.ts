import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../src/core/index.ts';
import {
  eventually,
  makeTestNetwork,
  processesOf,
  removeTestNetworks,
  type TestNetwork,
  whyNoNamespaces,
} from './sealed-network-harness.ts';

const run = promisify(execFile);
const OPENER = fileURLToPath(new URL('sealed-network-opener.ts', import.meta.url));
const ROUTE: Route = { name: 'example', hosts: ['example.com'], ports: [443], mode: 'passthrough' };
const USER = `terokgw${process.pid}`;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

let reason = whyNoNamespaces();
let ids = { uid: 0, gid: 0 };
let base = '';

beforeAll(async () => {
  if (reason !== undefined) return;
  await run('useradd', ['--create-home', USER]);
  ids = { uid: Number((await run('id', ['-u', USER])).stdout), gid: Number((await run('id', ['-g', USER])).stdout) };
  base = mkdtempSync(path.join('/tmp', 'terok-rl-'));
  chownSync(base, ids.uid, ids.gid);
  reason = await whyNot([process.execPath, '--check', OPENER], 'the test user cannot read this directory');
});
beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterAll(async () => {
  if (base === '') return;
  await removeTestNetworks();
  for (const pid of processesOfUser()) process.kill(pid, 'SIGKILL');
  rmSync(base, { recursive: true, force: true });
  await run('userdel', ['--remove', USER]).catch(() => run('userdel', ['--force', USER]));
});

describe.each([
  ['podman unshare', ['podman', 'unshare']],
  ['a plain user namespace', ['unshare', '--user', '--map-root-user']],
])('an unprivileged user, through %s', (_, launcher) => {
  it('opens a network that answers, repairs it and closes it without a trace', async (context) => {
    const unusable = await whyNot([...launcher, 'true'], `\`${launcher.join(' ')}\` does not work here for a new user`);
    if (unusable !== undefined) return context.skip(unusable);
    const network = await makeTestNetwork([ROUTE], { namespaceLauncher: launcher }, base);
    giveTo(path.dirname(network.plan.stateDir));
    await asUser([process.execPath, OPENER, JSON.stringify(network.plan), 'open']);
    expect(statSync(`/proc/${network.holder()?.pid}`).uid).toBe(ids.uid);
    await expectSealed(network);
    process.kill(network.gateway()?.pid ?? 0, 'SIGKILL');
    await asUser([process.execPath, OPENER, JSON.stringify(network.plan), 'reopen']);
    await expectSealed(network);
    const namespace = readlinkSync(`/proc/${network.holder()?.pid}/ns/net`);
    await asUser([process.execPath, OPENER, JSON.stringify(network.plan), 'close']);
    await eventually('no process is left', () => processesOf(network.plan.stateDir, namespace).length === 0);
  });
});

async function expectSealed(network: TestNetwork): Promise<void> {
  const [allowed, denied, raw, own] = await network.probe([
    { kind: 'dns', server: '198.18.0.1', name: 'example.com', type: 'A' },
    { kind: 'dns', server: '198.18.0.1', name: 'example.net', type: 'A' },
    { kind: 'tcp', host: '1.1.1.1', port: 443 },
    { kind: 'tcp', host: '198.18.0.1', port: 3128, send: 'GET / HTTP/1.1\r\n\r\n' },
  ]);
  expect(allowed).toMatch(/^answered 198\./);
  expect([denied, raw]).toEqual(['NXDOMAIN', 'ENETUNREACH']);
  expect(own).toMatch(/^connected HTTP/);
}

function asUser(argv: readonly string[]): Promise<{ stdout: string }> {
  const [file = '', ...args] = argv;
  return run(file, args, { ...ids, cwd: '/', env: { PATH, HOME: `/home/${USER}`, USER, LOGNAME: USER }, timeout: 60_000 });
}

async function whyNot(argv: readonly string[], what: string): Promise<string | undefined> {
  try {
    await asUser(argv);
    return undefined;
  } catch (error) {
    return `${what}: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}`;
  }
}

/** `podman unshare` leaves a process that keeps the user's namespace. */
function processesOfUser(): number[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return pids.filter((pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === ids.uid).map(Number);
}

function giveTo(root: string): void {
  chownSync(root, ids.uid, ids.gid);
  chmodSync(root, 0o700);
  for (const entry of readdirSync(root)) chownSync(path.join(root, entry), ids.uid, ids.gid);
}
