import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import dnsPacket from 'dns-packet';
import { type ProcessIdentity, patient, type Route } from '../../src/core/index.ts';
import { mintBottleCa } from '../../src/core/resolve/ca.ts';
import { closeSealedNetwork, type GatewayPlan } from '../../src/sidecars/gateway/index.ts';
import { networkFiles } from '../../src/sidecars/gateway/network-files.ts';
import { recordedProcess } from '../../src/sidecars/gateway/process-record.ts';
import type { Outcome, Probe } from './sealed-network-probe.ts';

export const PROBE_PROGRAM = fileURLToPath(new URL('sealed-network-probe.ts', import.meta.url));
/** How long a probe waits for an answer, for machines that are emulated */
export const PROBE_ENV = { PROBE_WAIT_MS: String(patient(400)) };
const run = promisify(execFile);

/** A reason to skip, or undefined: network namespaces need root, or a user namespace. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid?.() !== 0) return 'this file tests the rootful path and needs root';
  for (const program of ['unshare', 'nsenter', 'ip', 'setsid']) {
    if (!['/usr/bin', '/bin', '/usr/sbin', '/sbin'].some((dir) => existsSync(path.join(dir, program))))
      return `\`${program}\` is not installed`;
  }
  return undefined;
}

export interface TestNetwork {
  readonly plan: GatewayPlan;
  readonly files: ReturnType<typeof networkFiles>;
  readonly holder: () => ProcessIdentity | undefined;
  readonly keeper: () => ProcessIdentity | undefined;
  readonly gateway: () => ProcessIdentity | undefined;
  /** Runs probes inside the sealed network */
  probe(probes: readonly Probe[]): Promise<Outcome[]>;
  audit(): Record<string, unknown>[];
  remove(): Promise<void>;
}

const made: TestNetwork[] = [];

export async function makeTestNetwork(
  routes: readonly Route[],
  overrides: Partial<GatewayPlan> = {},
  base: string = tmpdir(),
): Promise<TestNetwork> {
  const root = mkdtempSync(path.join(base, 'terok-net-'));
  const ca = await mintBottleCa('test');
  writeFileSync(path.join(root, 'ca.pem'), ca.certificatePem, { mode: 0o600 });
  writeFileSync(path.join(root, 'key.pem'), ca.keyPem, { mode: 0o600 });
  const plan: GatewayPlan = {
    version: 1,
    slug: 'test',
    project: 'test',
    stateDir: path.join(root, 'state'),
    runtimeDir: path.join(root, 'run'),
    namespaceLauncher: [],
    vaultDir: path.join(root, 'vault'),
    ca: { certificate: path.join(root, 'ca.pem'), key: path.join(root, 'key.pem') },
    policy: { version: 1, routes },
    ...overrides,
  };
  const files = networkFiles(plan);
  const network: TestNetwork = {
    plan,
    files,
    holder: () => recordedProcess(files.holder),
    keeper: () => recordedProcess(files.keeper),
    gateway: () => recordedProcess(files.process),
    probe: (probes) => probeFrom(['nsenter', `--net=${files.namespace}`, '--'], probes),
    audit: () => readAudit(files.audit),
    async remove() {
      await closeSealedNetwork(plan);
      rmSync(root, { recursive: true, force: true });
    },
  };
  made.push(network);
  return network;
}

export async function removeTestNetworks(): Promise<void> {
  for (const network of made.splice(0)) await network.remove();
}

/** Runs probes behind a command that enters some namespace; behind none, on the host. */
export async function probeFrom(enter: readonly string[], probes: readonly Probe[]): Promise<Outcome[]> {
  const argv = [...enter, process.execPath, PROBE_PROGRAM, JSON.stringify(probes)];
  const { stdout } = await run(argv[0] ?? '', argv.slice(1), { timeout: patient(60_000), env: { ...process.env, ...PROBE_ENV } });
  return JSON.parse(stdout) as Outcome[];
}

export async function eventually<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 5_000,
): Promise<T> {
  const deadline = Date.now() + patient(withinMs);
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await sleep(5);
  }
}

/** Every process whose command line names the directory, or that lives in the namespace. */
export function processesOf(root: string, namespace?: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter(
      (pid) =>
        reads(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(root)) ||
        reads(() => readlinkSync(`/proc/${pid}/ns/net`) === namespace),
    )
    .map(Number);
}

/** A name server that answers everything and counts what it was asked. */
export async function countingNameServer(address: string, port: number): Promise<{ queries(): number; close(): void }> {
  let queries = 0;
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    queries += 1;
    const { id, questions } = dnsPacket.decode(message);
    const answers = (questions ?? []).map(({ name }) => ({ type: 'A' as const, name, data: '192.0.2.1' }));
    socket.send(dnsPacket.encode({ type: 'response', id: id ?? 0, questions: questions ?? [], answers }), from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, address, () => resolve()));
  return { queries: () => queries, close: () => socket.close() };
}

/** A TCP server that says hello, and counts its connections. */
export async function greetingServer(address: string): Promise<{ port: number; connections(): number; close(): void }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return { port: bound.port, connections: () => connections, close: () => server.close() };
}

function readAudit(file: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function reads(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    // The process ended while it was looked at
    return false;
  }
}
