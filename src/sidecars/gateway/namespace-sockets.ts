/*
 * Scope: makes and binds the sockets of a sealed network from the gateway itself, where this Node can call the C library; a socket
 * belongs for good to the namespace that it was made in. A namespace that a user namespace owns can be entered by no process with
 * threads: there the helper makes unbound sockets ahead. Fail-safe direction: nothing but `socket` is called inside; a process that does
 * not find its way back ends at once; whatever fails is left to the helper, which says why.
 */

import type nodeFfi from 'node:ffi';
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts';
import type { ListenerSpec } from './listener-spec.ts';

const CLONE_NEWNET = 0x4000_0000;
const AF_INET = 2;
const TYPES = { tcp: 1, udp: 2 } as const;
const NONBLOCK_AND_CLOEXEC = 0o2_004_000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const OWN_NAMESPACE = '/proc/thread-self/ns/net';

/** A socket of the bottle's namespace; what a helper hands over is a handle of Node, which has the same two. */
export interface NamespaceSocket {
  readonly fd: number;
  close(): void;
}

/** One unbound socket for each; undefined where that is not possible here. */
export function makeInNamespace(holder: ProcessIdentity, specs: readonly ListenerSpec[]): NamespaceSocket[] | undefined {
  const library = socketCalls();
  const fds = library === undefined ? undefined : socketsIn(library, holder, specs);
  return fds?.map((fd) => ({ fd, close: () => closeSync(fd) }));
}

/** Whether all of them are bound, none listening yet; otherwise all are closed. */
export function bindSockets(sockets: readonly NamespaceSocket[], specs: readonly ListenerSpec[]): boolean {
  const library = socketCalls();
  if (library !== undefined && specs.every((spec, index) => bind(library, sockets[index]?.fd ?? -1, spec))) return true;
  for (const socket of sockets) socket.close();
  return false;
}

/** An unbound TCP socket of the namespace that this process is in; undefined where that is not possible. */
export function makeSocket(): number | undefined {
  const fd = socketCalls()?.socket(AF_INET, TYPES.tcp | NONBLOCK_AND_CLOEXEC, 0);
  return fd === -1 ? undefined : fd;
}

/** Whether this Node can call the C library. */
export function canMakeSockets(): boolean {
  return socketCalls() !== undefined;
}

let opened: ReturnType<typeof openLibrary>;

/** What was opened stays, and a gateway opens ports again and again. */
function socketCalls() {
  opened ??= openLibrary();
  return opened;
}

function openLibrary() {
  const ffi: typeof nodeFfi | undefined = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    return ffi.dlopen(null, {
      setns: { arguments: ['i32', 'i32'], return: 'i32' },
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
      bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
    }).functions;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_FFI_CALL_FAILED') return undefined;
    throw error;
  }
}

type SocketCalls = NonNullable<ReturnType<typeof openLibrary>>;

function socketsIn({ setns, socket }: SocketCalls, holder: ProcessIdentity, specs: readonly ListenerSpec[]): number[] | undefined {
  const home = openSync(OWN_NAMESPACE, 'r');
  const away = openSync(`/proc/${holder.pid}/ns/net`, 'r');
  try {
    if (!isAlive(holder) || fstatSync(away).ino === fstatSync(home).ino || setns(away, CLONE_NEWNET) !== 0) return undefined;
    const fds = specs.map(({ protocol }) => socket(AF_INET, TYPES[protocol] | NONBLOCK_AND_CLOEXEC, 0));
    if (setns(home, CLONE_NEWNET) !== 0 || statSync(OWN_NAMESPACE).ino !== fstatSync(home).ino) process.abort();
    if (!fds.includes(-1)) return fds;
    for (const fd of fds) if (fd !== -1) closeSync(fd);
    return undefined;
  } finally {
    closeSync(home);
    closeSync(away);
  }
}

function bind({ setsockopt, bind }: SocketCalls, fd: number, { protocol, address, port }: ListenerSpec): boolean {
  const one = new Uint8Array(new Uint32Array([1]).buffer);
  if (protocol === 'tcp' && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length) !== 0) return false;
  const name = socketAddress(address, port);
  return bind(fd, name, name.length) === 0;
}

/** `struct sockaddr_in`: family in the order of the machine, port and address in that of the network. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = AF_INET;
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}
