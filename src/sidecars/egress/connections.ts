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
  /** Joined unread; a policy that inspects the target ends it */
  readonly isPassthrough: boolean;
}

/** What is open on behalf of the bottle, so that a change of policy reaches it. */
export class Connections {
  readonly #open = new Map<Socket, Entry | undefined>();
  readonly #exchanges = new Set<Exchange>();

  /** False where the bottle has too many already. */
  add(socket: Socket, target: EgressTarget | undefined): boolean {
    if (this.#open.size >= MAX_CONNECTIONS) return false;
    this.#open.set(socket, target === undefined ? undefined : { target, isPassthrough: false });
    socket.once('close', () => this.#open.delete(socket));
    return true;
  }

  /** A connection to the explicit proxy has become a tunnel. */
  retarget(socket: Socket, target: EgressTarget): void {
    if (this.#open.has(socket)) this.#open.set(socket, { target, isPassthrough: false });
  }

  markPassthrough(socket: Socket, target: EgressTarget): void {
    if (this.#open.has(socket)) this.#open.set(socket, { target, isPassthrough: true });
  }

  /** Registers a request; the returned function takes it out. */
  addExchange(request: EgressRequest, route: Route, abort: (reason: string) => void): () => void {
    const exchange = { request, route, abort };
    this.#exchanges.add(exchange);
    return () => void this.#exchanges.delete(exchange);
  }

  /** Cuts what `policy` does not allow, and requests whose route (and so credential) changed; gives how many connections and requests that were. */
  rejudge(policy: EgressPolicy): number {
    let cut = 0;
    for (const { request, route, abort } of this.#exchanges) {
      const decision = decide(policy, request);
      if (decision.allow && JSON.stringify(decision.route) === JSON.stringify(route)) continue;
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

function stays(policy: EgressPolicy, { target, isPassthrough }: Entry): boolean {
  const decision = decideConnection(policy, target);
  return decision.allow && isPassthrough === (decision.mode === 'passthrough');
}
