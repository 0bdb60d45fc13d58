/*
 * Measures the gateway of one bottle, as it is built, and prints JSON: time from the call to the namespace and to `ready`, memory at
 * rest, DNS round trip inside the sealed network, a change of policy that opens a new port; as root, and once more as a user without
 * rights. Needs root and a build. `node bench/gateway.bench.ts [rounds]`
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mintBottleCa } from '../src/core/resolve/ca.ts';
import type * as SealedNetworkModule from '../src/sidecars/gateway/index.ts';
import type { GatewayPlan } from '../src/sidecars/gateway/index.ts';
import { createRootlessUser, whyNoRootlessUser } from '../tests/support/rootless.ts';

const ROUNDS = Number(process.argv[2] ?? 10);
const BUILT = new URL('../dist/sealed-network.js', import.meta.url).href;
const { closeSealedNetwork, openSealedNetwork, sealedNetworkStatus, setNetworkPolicy } = (await import(
  BUILT
)) as typeof SealedNetworkModule;
const NEW_PORTS = 20;
const IS_ROOT = process.getuid?.() === 0;
const LAUNCHER = IS_ROOT ? [] : ['podman', 'unshare'];
const DNS_CLIENT = fileURLToPath(new URL('gateway-dns-client.ts', import.meta.url));

const root = mkdtempSync(path.join(tmpdir(), 'terok-bench-gateway-'));
try {
  const figures = await measure(await makePlan());
  const rootless = IS_ROOT ? { rootless: await measureAsUser() } : {};
  console.log(JSON.stringify({ ...figures, ...rootless }, null, 2));
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function makePlan(): Promise<GatewayPlan> {
  const ca = await mintBottleCa('bench');
  writeFileSync(path.join(root, 'ca.pem'), ca.certificatePem, { mode: 0o600 });
  writeFileSync(path.join(root, 'key.pem'), ca.keyPem, { mode: 0o600 });
  const dirs = { stateDir: path.join(root, 'state'), runtimeDir: path.join(root, 'run'), vaultDir: path.join(root, 'vault') };
  const route = { name: 'bench', hosts: ['example.com'], ports: [80, 443], mode: 'inspect' as const };
  return {
    version: 1,
    slug: 'bench',
    project: 'bench',
    namespaceLauncher: LAUNCHER,
    ...dirs,
    ca: { certificate: path.join(root, 'ca.pem'), key: path.join(root, 'key.pem') },
    policy: { version: 1, routes: [route] },
  };
}

async function measure(plan: GatewayPlan): Promise<Record<string, unknown>> {
  const namespaceMs: number[] = [];
  const readyMs: number[] = [];
  const closeMs: number[] = [];
  let memory: unknown;
  let dnsMs: unknown;
  let newPortMs: unknown;
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    const network = await openSealedNetwork(plan, { compileCacheDir: path.join(root, 'compile-cache') });
    namespaceMs.push(performance.now() - began);
    await network.ready;
    readyMs.push(performance.now() - began);
    if (round === ROUNDS - 1) {
      dnsMs = await measureDns(network.namespacePath);
      newPortMs = await measureNewPorts(plan);
      memory = memoryOf((await sealedNetworkStatus(plan)).detail?.pid ?? 0);
    }
    const closing = performance.now();
    await closeSealedNetwork(plan);
    closeMs.push(performance.now() - closing);
  }
  return {
    node: process.version,
    firstReadyMs: readyMs[0],
    namespaceMs: summary(namespaceMs),
    readyMs: summary(readyMs),
    closeMs: summary(closeMs),
    memory,
    dnsMs,
    newPortMs,
  };
}

/** This bench in the name of a user that is made for it; the reason where none can be made. */
async function measureAsUser(): Promise<unknown> {
  const reason = await whyNoRootlessUser();
  if (reason !== undefined) return reason;
  await using user = await createRootlessUser();
  const bench = path.join(user.repository, 'bench/gateway.bench.ts');
  const { exitCode, stdout, stderr } = await user.run([user.node, bench, String(ROUNDS)], { env: { TMPDIR: user.home } });
  return exitCode === 0 ? (JSON.parse(stdout.toString()) as unknown) : stderr.toString();
}

async function measureDns(namespace: string): Promise<unknown> {
  const owner =
    LAUNCHER.length === 0 ? [] : [`--user=${path.join(path.dirname(readlinkSync(namespace)), 'user')}`, '--preserve-credentials'];
  const { stdout } = await promisify(execFile)('nsenter', [...owner, `--net=${namespace}`, '--', process.execPath, DNS_CLIENT]);
  return summary(JSON.parse(stdout) as number[]);
}

/** From the call until a port that no route had is open. */
async function measureNewPorts(plan: GatewayPlan): Promise<unknown> {
  const took: number[] = [];
  for (let port = 6_000; port < 6_000 + NEW_PORTS; port += 1) {
    const routes = plan.policy.routes.map((route) => ({ ...route, ports: [...route.ports, port] }));
    const began = performance.now();
    await setNetworkPolicy(plan, { ...plan.policy, routes });
    took.push(performance.now() - began);
  }
  await setNetworkPolicy(plan, plan.policy);
  return summary(took);
}

function memoryOf(pid: number): unknown {
  const field = (file: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]) / 1_024;
  return {
    rssMiB: field('status', 'VmRSS'),
    proportionalMiB: field('smaps_rollup', 'Pss'),
    anonymousMiB: field('smaps_rollup', 'Anonymous'),
  };
}

function summary(values: readonly number[]): { p50: number; p95: number; min: number; max: number } {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), min: at(0), max: at(1) };
}
