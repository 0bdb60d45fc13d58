import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { ignoreCodes } from '../../../src/core/index.ts';

/** A fresh directory of the host. */
export async function hostDirectory(atEnd: (work: () => unknown) => void): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'tk-conf-'));
  atEnd(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export interface Sighting {
  readonly pid: number;
  readonly where: 'cmdline' | 'environ';
}

/** Host processes that show `secret`: in any command line, or in an environment that does not also hold `mark`, the command's own. */
export async function findInProcesses(secret: string, mark: string): Promise<Sighting[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const sightings = await Promise.all(pids.map((pid) => sightingsOf(pid, secret, mark)));
  return sightings.flat();
}

async function sightingsOf(pid: number, secret: string, mark: string): Promise<Sighting[]> {
  const read = (name: string): Promise<string | undefined> =>
    ignoreCodes(['ENOENT', 'ESRCH', 'EACCES', 'EPERM'], () => readFile(`/proc/${pid}/${name}`, 'latin1'));
  const [cmdline = '', environ = ''] = await Promise.all([read('cmdline'), read('environ')]);
  const found: Sighting[] = [];
  if (cmdline.includes(secret)) found.push({ pid, where: 'cmdline' });
  if (environ.includes(secret) && !environ.includes(mark)) found.push({ pid, where: 'environ' });
  return found;
}

/** Regular files below the directories that hold `secret`. */
export async function findInFiles(directories: readonly string[], secret: string): Promise<string[]> {
  const found: string[] = [];
  for (const directory of directories) {
    const entries = (await ignoreCodes(['ENOENT'], () => readdir(directory, { recursive: true, withFileTypes: true }))) ?? [];
    for (const entry of entries.filter((candidate) => candidate.isFile())) {
      const file = path.join(entry.parentPath, entry.name);
      // A mounted namespace looks like a file and cannot be read
      const content = await ignoreCodes(['ENOENT', 'EINVAL'], () => readFile(file));
      if (content?.includes(secret) === true) found.push(file);
    }
  }
  return found;
}

export interface Listener {
  readonly port: number;
  /** Connections or packets that came so far */
  readonly seen: () => number;
  readonly close: () => Promise<void>;
}

/** A TCP server of the host that greets with `hello`. */
export async function listenTcp(address: string | { readonly path: string }): Promise<Listener> {
  let seen = 0;
  const server: Server = createServer((socket) => {
    seen += 1;
    socket.on('error', () => socket.destroy());
    socket.end('hello');
  });
  server.listen(typeof address === 'string' ? { host: address, port: 0 } : address);
  await once(server, 'listening');
  return {
    port: typeof address === 'string' ? (server.address() as AddressInfo).port : 0,
    seen: () => seen,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** A TCP port that is free on every address of the host. */
export async function freePort(): Promise<number> {
  const { port, close } = await listenTcp('0.0.0.0');
  await close();
  return port;
}

/** A UDP socket of the host that counts what arrives. */
export async function listenUdp(address: string): Promise<Listener> {
  let seen = 0;
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', () => {
    seen += 1;
  });
  socket.bind(0, address);
  await once(socket, 'listening');
  return { port: socket.address().port, seen: () => seen, close: () => new Promise((resolve) => socket.close(() => resolve())) };
}

/** The positive control of a refusal: the host itself gets through. */
export async function reachesTcp(target: { readonly host: string; readonly port: number } | { readonly path: string }): Promise<boolean> {
  const socket = connect(target);
  try {
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    return greeting.toString() === 'hello';
  } finally {
    socket.destroy();
  }
}

export async function sendUdp(host: string, port: number): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => socket.send('control', port, host, (error) => (error === null ? resolve() : reject(error))));
  socket.close();
}

/** An IPv4 address of the host that is not a loopback one, where it has one. */
export function lanAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry !== undefined && entry.family === 'IPv4' && !entry.internal)?.address;
}
