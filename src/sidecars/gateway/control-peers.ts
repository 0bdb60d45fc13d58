/*
 * Scope: who dialled the control listener? Only the bottle's init may, so that no program of the agent can take the idle connections
 * or pose as the SSH server. Out of scope: what is said afterwards; SSH proves both ends. Fail-safe direction: a connection whose other
 * end is not found, is closed, or belongs to anybody but root of the bottle is reset.
 */
import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';

export interface ControlPeerOptions {
  /** The kernel's table of the TCP sockets in the bottle's network namespace: `/proc/<holder>/net/tcp` */
  readonly tcpTable: string;
  /** Root of the bottle as the table shows it to this process: its own user, who made the bottle */
  readonly uid: number;
  readonly accept: (socket: Socket) => void;
  readonly refuse: (socket: Socket, reason: string) => void;
}

/** Some 50 000 sockets; a bottle that opens more than that is not looked through. */
const MAX_TABLE_BYTES = 8 * 1024 * 1024;
/** Closed ends have another state, and the kernel shows them as root's whoever they belonged to. */
const ESTABLISHED = '01';

/** Judges connections by the owner of their other end. All that wait while a table is read are judged by the next one. */
export class ControlPeers {
  readonly #options: ControlPeerOptions;
  #waiting: Socket[] = [];
  #reading = false;

  constructor(options: ControlPeerOptions) {
    this.#options = options;
  }

  judge(socket: Socket): void {
    this.#waiting.push(socket);
    if (!this.#reading) void this.#judgeWaiting();
  }

  async #judgeWaiting(): Promise<void> {
    this.#reading = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      // Without the table nobody is known, and everybody is refused
      const owners = await readOwners(this.#options.tcpTable).catch(() => new Map<string, number>());
      for (const socket of batch) this.#settle(socket, owners);
    }
    this.#reading = false;
  }

  #settle(socket: Socket, owners: ReadonlyMap<string, number>): void {
    if (socket.destroyed) return;
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
    const owner = owners.get(`${tableAddress(remoteAddress, remotePort)} ${tableAddress(localAddress, localPort)}`);
    if (owner === this.#options.uid) this.#options.accept(socket);
    else
      this.#options.refuse(
        socket,
        owner === undefined ? 'its other end is not open' : "its other end does not belong to the bottle's init",
      );
  }
}

/** `local remote` as the table writes them → user id, for sockets that are connected and that a process holds. */
async function readOwners(file: string): Promise<ReadonlyMap<string, number>> {
  const owners = new Map<string, number>();
  for (const line of (await readCapped(file)).split('\n').slice(1)) {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (state === ESTABLISHED && inode !== '0') owners.set(`${local} ${remote}`, Number(uid));
  }
  return owners;
}

async function readCapped(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const parts: Buffer[] = [];
    for (let length = 0; length < MAX_TABLE_BYTES; ) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(64 * 1024));
      if (bytesRead === 0) break;
      parts.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(parts).toString('latin1');
  } finally {
    await handle.close();
  }
}

/** `198.18.0.1`, 2022 → `010012C6:07E6` on a little-endian machine: the address is printed as one number in the machine's order. */
function tableAddress(address: string, port: number): string {
  if (!isIPv4(address)) return '';
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  if (endianness() === 'LE') bytes.reverse();
  return `${bytes.join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}
