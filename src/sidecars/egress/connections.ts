import type { Socket } from 'node:net';
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { decide, decideConnection, type EgressRequest, type EgressTarget } from './decide.ts';

/** More than any build or test run needs; each costs the host a descriptor or two. */
const MAX_CONNECTIONS = 2_048;

interface Exchange {
  readonly request: EgressRequest;
  readonly route: Route;
  readonly abort: (reason: string) => void;
}

interface Entry {
  readonly target: EgressTarget;
  /** By which it was joined unread; another one, or a policy that inspects the target, ends it */
  readonly route?: Route;
}

/** What is open on behalf of the bottle, so that a change of policy reaches it. */
export class Connections {
  readonly #open = new Map<Socket, Entry | undefined>();
  readonly #exchanges = new Set<Exchange>();

  /** False where the bottle has too many already. */
  add(socket: Socket, target: EgressTarget | undefined): boolean {
    if (this.#open.size >= MAX_CONNECTIONS) return false;
    this.#open.set(socket, target === undefined ? undefined : { target });
    socket.once('close', () => this.#open.delete(socket));
    return true;
  }

  /** A connection to the explicit proxy has become a tunnel. */
  retarget(socket: Socket, target: EgressTarget): void {
    if (this.#open.has(socket)) this.#open.set(socket, { target });
  }

  markPassthrough(socket: Socket, target: EgressTarget, route: Route): void {
    if (this.#open.has(socket)) this.#open.set(socket, { target, route });
  }

  /** Registers a request; the returned function takes it out. */
  addExchange(request: EgressRequest, route: Route, abort: (reason: string) => void): () => void {
    const exchange = { request, route, abort };
    this.#exchanges.add(exchange);
    return () => void this.#exchanges.delete(exchange);
  }

  /** Cuts what `policy` does not allow, and what it allows by a route that changed (and so its credential, networks or budget); gives how many connections and requests that were. */
  rejudge(policy: EgressPolicy): number {
    let cut = 0;
    for (const { request, route, abort } of this.#exchanges) {
      const decision = decide(policy, request);
      if (decision.allow && isSame(decision.route, route)) continue;
      abort('the policy changed');
      cut += 1;
    }
    for (const [socket, entry] of this.#open) {
      if (entry === undefined || stays(policy, entry)) continue;
      socket.destroy();
      cut += 1;
    }
    return cut;
  }

  destroyAll(): void {
    for (const { abort } of this.#exchanges) abort('the gateway ends');
    for (const socket of this.#open.keys()) socket.destroy();
  }
}

function stays(policy: EgressPolicy, { target, route }: Entry): boolean {
  const decision = decideConnection(policy, target);
  if (!decision.allow || decision.mode === 'inspect') return decision.allow && route === undefined;
  return route !== undefined && isSame(decision.routes[0], route);
}

function isSame(a: Route, b: Route): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
