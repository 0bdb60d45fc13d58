/*
 * Scope: one connection of the bottle, transparent or behind a CONNECT, from its first bytes to what serves it: a front that reads HTTP, a
 * splice, or a refusal. Out of scope: requests (`requests.ts`). Fail-safe direction: what is neither TLS nor HTTP passes only where a
 * route says `passthrough`; an error ends the connection.
 */
import type { Socket } from 'node:net';
import type { AuditLog } from '../../core/audit-log.ts';
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import type { Budgets } from './budgets.ts';
import type { Connections } from './connections.ts';
import type { DataLossGuard } from './data-loss/index.ts';
import { type Denied, decideConnection, deny, type EgressTarget } from './decide.ts';
import { type FirstBytes, peekFirstBytes } from './first-bytes.ts';
import type { Fronts } from './front.ts';
import { type PassThroughOptions, passThrough, UNREADABLE_TLS } from './passthrough.ts';
import type { Refusals } from './refusals.ts';
import { tlsNameRefusal } from './tls-name.ts';
import type { Upstreams } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

export interface RouterParts {
  readonly policy: () => EgressPolicy;
  readonly audit: AuditLog;
  readonly refusals: Refusals;
  readonly budgets: Budgets;
  readonly connections: Connections;
  readonly upstreams: Upstreams;
  readonly fronts: Fronts;
  readonly dataLoss: DataLossGuard;
  /** See `ClientLimits` */
  readonly firstBytesMs: number;
}

/** A client that speaks first does so at once; others wait for the server's greeting. */
const GREETING_WAIT_MS = 250;
const UNREADABLE = deny(
  'needs-inspection',
  'the route inspects requests, and this is neither TLS nor HTTP',
  'Use a route in the mode `passthrough`.',
);

export class ConnectionRouter {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  route(socket: Socket, target: EgressTarget): void {
    this.#accept(socket, target).catch((error: unknown) => this.#parts.refusals.fault(socket, target, error));
  }

  /** A transparent connection, or what follows a CONNECT. */
  async #accept(socket: Socket, target: EgressTarget): Promise<void> {
    const first = await peekFirstBytes(socket, this.#speaksFirst(target) ? this.#parts.firstBytesMs : GREETING_WAIT_MS);
    const decision = decideConnection(this.#parts.policy(), target);
    const stopped = this.#parts.dataLoss.stopped();
    const otherName = first.kind === 'hello' ? tlsNameRefusal(first, target, decision) : undefined;
    if (first.kind === 'hello') this.#parts.dataLoss.seeName(first.serverName ?? '');
    if (first.kind === 'closed') socket.destroy();
    else if (stopped !== undefined && !(decision.allow && decision.mode === 'inspect')) this.#reset(socket, target, stopped);
    else if (otherName !== undefined) this.#parts.refusals.answerTlsName(socket, target, otherName);
    else if (decision.allow && decision.mode === 'passthrough') await this.#passThrough(socket, target, decision.routes[0], first);
    else if (first.kind === 'hello') await this.#parts.fronts.acceptSecure(socket, target);
    else if (first.kind === 'http') this.#parts.fronts.acceptPlain(socket, target);
    else this.#reset(socket, target, decision.allow ? UNREADABLE : decision);
  }

  /** In HTTP and TLS the client speaks first; of other protocols that is not known. */
  #speaksFirst(target: EgressTarget): boolean {
    const decision = decideConnection(this.#parts.policy(), target);
    return decision.allow && decision.mode === 'inspect';
  }

  async #passThrough(socket: Socket, target: EgressTarget, route: Route, first: FirstBytes): Promise<void> {
    if (first.kind === 'invalid') {
      this.#parts.refusals.answerTlsName(socket, target, UNREADABLE_TLS);
      return;
    }
    const spent = this.#parts.budgets.admit(route);
    if (spent !== undefined) {
      this.#reset(socket, target, spent);
      return;
    }
    const what = { decision: 'allow', host: target.name, port: target.port, route: route.name } as const;
    const of = this.#parts.audit.record({ kind: 'connection', ...what });
    socket.once('close', () => {
      this.#parts.refusals.noteEnd({ kind: 'end', ...what, of, bytesUp: socket.bytesRead, bytesDown: socket.bytesWritten });
    });
    this.#parts.connections.markPassthrough(socket, target, route);
    try {
      await passThrough(socket, first, {
        dial: () => this.#parts.upstreams.dial(target, route.privateNetworks ?? []),
        ...this.#metered(route, target),
        judgeTls: (hello) => tlsNameRefusal(hello, target, decideConnection(this.#parts.policy(), target)),
        onTlsName: (refusal) => this.#parts.refusals.answerTlsName(socket, target, refusal),
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.#reset(socket, target, deny(error.reason, error.message, ''));
    }
  }

  /** A connection whose budget is spent is ended where it is, and recorded. */
  #metered(route: Route, target: EgressTarget): Pick<PassThroughOptions, 'count'> {
    const meter = this.#parts.budgets.meter(route);
    if (meter === undefined) return {};
    const noted = (refusal: Denied | undefined): Denied | undefined => {
      if (refusal !== undefined) this.#parts.refusals.record(target, refusal);
      return refusal;
    };
    return { count: { up: (bytes) => noted(meter.up(bytes)), down: (bytes) => noted(meter.down(bytes)) } };
  }

  #reset(socket: Socket, target: EgressTarget, refusal: Denied): void {
    this.#parts.refusals.record(target, refusal);
    socket.resetAndDestroy();
  }
}
