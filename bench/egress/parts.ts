/** The processes of the egress bench and the certificates that they use. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BottleCa, issuerOf, loadCertificateBuilder } from '../../src/core/index.ts';
import { mintBottleCa } from '../../src/core/resolve/index.ts';
import { GATEWAY_ENV, GATEWAY_FLAGS } from '../../src/sidecars/gateway/keeper.ts';

const SERVER = path.join(import.meta.dirname, '../egress-server.mjs');

export interface Part {
  readonly child: ChildProcess;
  readonly port: number;
  /** From the start of the process to its first open port */
  readonly readyMs: number;
}

export interface PartOptions {
  readonly dir: string;
  readonly children: ChildProcess[];
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one of our own parts: `upstream`, `pipe`, `tls-pipe`, `relay` or `gateway`. */
export async function startPart(role: string, { dir, children, flags = [], env = {} }: PartOptions): Promise<Part> {
  const own = role === 'gateway' ? { flags: GATEWAY_FLAGS, env: GATEWAY_ENV } : { flags: [], env: {} };
  const from = performance.now();
  const child = spawn(process.execPath, [...own.flags, ...flags, SERVER, role, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...own.env, ...env },
  });
  children.push(child);
  const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const { port } = JSON.parse(String(line.value)) as { readonly port: number };
  return { child, port, readyMs: Math.round(performance.now() - from) };
}

/** Starts any other command that listens on a port. */
export async function startCommand(argv: readonly string[], port: number, children: ChildProcess[]): Promise<Part> {
  const from = performance.now();
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  while (!(await isOpen(port))) {
    if (child.exitCode !== null) throw new Error(`\`${argv.join(' ')}\` ended with ${child.exitCode}`);
    if (performance.now() - from > 60_000) throw new Error(`\`${argv.join(' ')}\` opened no port`);
    await sleep(20);
  }
  return { child, port, readyMs: Math.round(performance.now() - from) };
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Memory of a process: what is there now, its peak, and what no other process shares. */
export function memory({ child }: Part): { readonly rssMiB: number; readonly peakMiB: number; readonly privateMiB: number } {
  const read = (file: string, field: string): number => {
    const text = readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
    return Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 102.4) / 10;
  };
  return { rssMiB: read('status', 'VmRSS'), peakMiB: read('status', 'VmHWM'), privateMiB: read('status', 'RssAnon') };
}

export async function writeCertificates(dir: string, name: string): Promise<void> {
  const [ca, upstreamCa, build] = [await mintBottleCa('bench'), await mintBottleCa('upstream'), await loadCertificateBuilder()];
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = (issuer: BottleCa): string =>
    build(
      {
        subject: name,
        publicKey,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 86_400_000),
        use: { kind: 'server', name },
      },
      issuerOf(issuer),
    );
  const files = {
    'ca.pem': ca.certificatePem,
    'ca.key': ca.keyPem,
    'upstream-ca.pem': upstreamCa.certificatePem,
    'server.pem': certificate(upstreamCa),
    'leaf.pem': certificate(ca),
    'server.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(path.join(dir, file), text, { mode: 0o600 })));
}

async function isOpen(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
