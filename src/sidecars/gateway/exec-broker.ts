/*
 * Scope: brings together connections that the bottle's init dialled (they wait, idle) and clients of the exec socket on the host.
 * Out of scope: who speaks on them; SSH proves that on both ends. Fail-safe direction: a flood or a talker before its turn is cut;
 * the one thing that may be asked is the time.
 */
import type { Socket } from 'node:net';
import { patient } from '../../core/patience.ts';
import type { DenialLog } from './denial-log.ts';

/** The byte that tells the bottle's init to start a session on this connection. */
const GO = 'g';
/** What an init with a clock of its own asks on its idle connection; the answer is a line with the host's time in microseconds. */
const TIME_QUESTION = 't\n';
const timeAnswer = (): string => `t${Date.now()}000\n`;
/** Init keeps one waiting; a few more can exist for a moment. */
const MAX_IDLE = 16;
/** Clients of the host that may wait at once: 50 parallel commands of several terok processes. */
const MAX_WAITING = 256;
/** How long a client waits for the bottle to dial; covers a slow boot. */
const WAIT_MS = patient(30_000);

export class ExecBroker {
  readonly #denials: DenialLog;
  readonly #idle: Socket[] = [];
  readonly #waiting: { readonly client: Socket; readonly timer: NodeJS.Timeout }[] = [];

  constructor(denials: DenialLog) {
    this.#denials = denials;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** A connection from the bottle. */
  offer(bottle: Socket): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      clearTimeout(next.timer);
      return join(next.client, bottle);
    }
    if (this.#idle.length >= MAX_IDLE) {
      this.#denials.deny({ kind: 'control', target: 'control', reason: `more than ${MAX_IDLE} idle connections` });
      return void bottle.resetAndDestroy();
    }
    this.#idle.push(bottle);
    bottle.on('data', answerTalker).once('end', closeLeaver);
    bottle.once('close', () => remove(this.#idle, bottle));
  }

  /** A connection from the host. */
  take(client: Socket): void {
    const bottle = this.#idle.shift();
    if (bottle !== undefined) return join(client, bottle);
    if (this.#waiting.length >= MAX_WAITING) return void client.destroy();
    const entry = { client, timer: setTimeout(() => client.destroy(), WAIT_MS) };
    this.#waiting.push(entry);
    client.once('close', () => {
      clearTimeout(entry.timer);
      remove(this.#waiting, entry);
    });
  }
}

/** Whoever does not read the answers gets no more of them. */
function answerTalker(this: Socket, said: Buffer): void {
  if (said.toString('latin1') === TIME_QUESTION && this.writableLength === 0) this.write(timeAnswer());
  else this.resetAndDestroy();
}

function closeLeaver(this: Socket): void {
  this.destroy();
}

function join(client: Socket, bottle: Socket): void {
  bottle.pause().off('data', answerTalker).off('end', closeLeaver);
  bottle.write(GO);
  client.pipe(bottle);
  bottle.pipe(client);
  destroyWith(client, bottle);
  destroyWith(bottle, client);
}

/** A socket that closes before its end was read takes the other one with it; after a clean end the other one flushes and ends itself. */
function destroyWith(socket: Socket, other: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.once('close', () => {
    if (!socket.readableEnded) other.destroy();
  });
}

function remove<T>(list: T[], entry: T): void {
  const index = list.indexOf(entry);
  if (index !== -1) list.splice(index, 1);
}
