/*
 * Scope: the listening sockets of one sealed network, made inside the bottle's namespace by this process or by its helper.
 * Out of scope: what is done with a connection. Fail-safe direction: a socket that cannot be opened fails the whole set; what is
 * not open is unreachable for the bottle.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, Server, type Socket } from 'node:net';
import { messageOf } from '../../core/errors.ts';
import { type Deliveries, ListenerHelper, type NamespaceEntrance } from './listener-helper-process.ts';
import type { HelperOrder, ListenerSpec } from './listener-spec.ts';
import { bindSockets, canMakeSockets, makeInNamespace, type NamespaceSocket } from './namespace-sockets.ts';

/** Unbound sockets that are kept: so many new ports open at once without a wait for the helper. */
const SPARES = 32;

/** Who takes what arrives; the local address and port of a socket tell which service or name was meant. */
export interface Arrivals {
  onConnection(socket: Socket): void;
  onDatagram(message: Buffer, reply: (answer: Buffer) => void): void;
}

export interface OpenListener {
  readonly spec: ListenerSpec;
  close(): void;
}

/**
 * Opens sockets in the namespace of a holder. A helper takes some tenths of a second to start. Where Node can call the C library it leaves
 * unbound sockets for later and ends; where not, it stays and waits for orders.
 */
export class ListenerOpener {
  readonly #entrance: NamespaceEntrance;
  #helper: ListenerHelper | undefined;
  #lastOrder: Promise<void> = Promise.resolve();
  #spares: NamespaceSocket[] = [];

  constructor(entrance: NamespaceEntrance) {
    this.#entrance = entrance;
  }

  /** All or none; arrivals are taken from the first moment. */
  async open(specs: readonly ListenerSpec[], arrivals: Arrivals): Promise<OpenListener[]> {
    if (specs.length === 0) return [];
    const opened: OpenListener[] = [];
    const take = (spec: ListenerSpec, socket: Server | UdpSocket): void => void opened.push(serve(spec, socket, arrivals));
    try {
      const sockets = this.#entrance.rootless ? this.#takeSpares(specs) : makeInNamespace(this.#entrance.holder, specs);
      // where an address is taken already the helper says so
      if (sockets !== undefined && bindSockets(sockets, specs)) await listenAll(specs, sockets, take);
      else await this.#order({ specs, spares: this.#missingSpares() }, take);
      return opened;
    } catch (error) {
      for (const listener of opened) listener.close();
      throw error;
    }
  }

  #takeSpares(specs: readonly ListenerSpec[]): NamespaceSocket[] | undefined {
    if (specs.length > this.#spares.length || specs.some(({ protocol }) => protocol !== 'tcp')) return undefined;
    const taken = this.#spares.splice(0, specs.length);
    if (this.#spares.length < SPARES / 2) this.#restock();
    return taken;
  }

  #restock(): void {
    const order = { specs: [], spares: this.#missingSpares() };
    this.#order(order, () => undefined).catch((error: unknown) => process.emitWarning(messageOf(error)));
  }

  #missingSpares(): number {
    return this.#entrance.rootless && canMakeSockets() ? SPARES - this.#spares.length : 0;
  }

  #order(order: HelperOrder, onListener: Deliveries['onListener']): Promise<void> {
    const turn = this.#lastOrder.then(async () => {
      const helper = this.#helper?.isRunning === true ? this.#helper : new ListenerHelper(this.#entrance);
      this.#helper = undefined;
      let isDone = false;
      try {
        await helper.order(order, { onListener, onSpare: (socket) => void this.#spares.push(socket) });
        isDone = true;
      } finally {
        if (isDone && !canMakeSockets()) this.#helper = helper;
        else helper.end();
      }
    });
    this.#lastOrder = turn.catch(() => undefined);
    return turn;
  }
}

async function listenAll(
  specs: readonly ListenerSpec[],
  sockets: readonly NamespaceSocket[],
  take: (spec: ListenerSpec, socket: Server | UdpSocket) => void,
): Promise<void> {
  for (const [index, spec] of specs.entries()) {
    const socket = spec.protocol === 'tcp' ? createServer() : createSocket('udp4');
    // a datagram socket listens within the call
    const listening = once(socket, 'listening');
    if (socket instanceof Server) socket.listen(sockets[index]);
    else socket.bind({ fd: sockets[index]?.fd ?? -1 });
    await listening;
    take(spec, socket);
  }
}

function serve(spec: ListenerSpec, handle: Server | UdpSocket, arrivals: Arrivals): OpenListener {
  if (handle instanceof Server) {
    // Half-closed connections stay open in the other direction
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => arrivals.onConnection(socket)).listen(handle);
    return { spec, close: () => server.close() };
  }
  handle.on('message', (message, from) => arrivals.onDatagram(message, (answer) => handle.send(answer, from.port, from.address)));
  handle.on('error', () => handle.close());
  return { spec, close: () => handle.close() };
}
