/*
 * Scope: HTTP requests and upgrades of inspected connections and of the explicit proxy, from the head to the relay.
 * Out of scope: connections (`egress.ts`). Fail-safe direction: an error ends the request; a policy that changes meanwhile is asked
 * again before a byte goes out.
 */
import type { IncomingMessage } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { answerRefusal } from './answer-refusal.ts';
import type { Connections } from './connections.ts';
import { createStages } from './create-stages.ts';
import { cutResponse } from './cut-response.ts';
import { type Denied, deny, type EgressTarget } from './decide.ts';
import { chargeRequest, type ExchangeContext, planRequest, type RecordedPlan, recordDecision, requestOf } from './exchange.ts';
import type { FrontRequest, FrontResponse, RequestOrigin } from './front.ts';
import { forwardedHeaders, type HeaderList, headerList } from './headers.ts';
import { type RequestHead, readRequestHead } from './message.ts';
import { rawRefusal } from './refusal.ts';
import type { Refusals } from './refusals.ts';
import { ResponseRelay } from './relay.ts';
import { RequestBody } from './request-body.ts';
import { streamThrough } from './stages.ts';
import type { Transport } from './transport.ts';
import { relayUpgrade } from './upgrade.ts';
import type { Upstreams } from './upstream.ts';

export interface RequestParts {
  readonly context: ExchangeContext;
  readonly upstreams: Upstreams;
  readonly connections: Connections;
  readonly refusals: Refusals;
}

interface Prepared {
  readonly plan: RecordedPlan;
  readonly transport: Transport;
}

interface Sendable extends Prepared {
  readonly head: RequestHead;
  readonly body: RequestBody | undefined;
}

export class Requests {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  onRequest(request: FrontRequest, response: FrontResponse, origin: RequestOrigin): void {
    this.#request(request, response, origin).catch((error: unknown) =>
      this.#parts.refusals.fault({ destroy: () => cutResponse(response) }, origin.target, error),
    );
  }

  onUpgrade(request: IncomingMessage, socket: Duplex, rest: Buffer, origin: RequestOrigin): void {
    socket.on('error', () => socket.destroy());
    this.#upgrade(request, socket, rest, origin).catch((error: unknown) => this.#parts.refusals.fault(socket, origin.target, error));
  }

  /** The client sent what is no HTTP, or did not finish the TLS handshake. */
  onClientError(error: Error, socket: Duplex, target?: EgressTarget): void {
    const { refusals } = this.#parts;
    const code = 'code' in error ? String(error.code) : error.message;
    if (code.startsWith('HPE_')) {
      const message = `the request is not well-formed HTTP/1.1 (${code})`;
      refusals.answerRaw(socket, target, deny('framing-ambiguous', message, 'Send a request with one reading.'));
      return;
    }
    socket.destroy();
    if (target === undefined || !/ALERT|_CA$|CERTIFICATE/.test(code)) return;
    refusals.note({ kind: 'tls', decision: 'deny', host: target.name, port: target.port, reason: 'ca-not-trusted', detail: code });
  }

  /** The steps of every request: read, judge, plan, connect, record, send. */
  async #request(request: FrontRequest, response: FrontResponse, origin: RequestOrigin): Promise<void> {
    const head = readRequestHead(request, origin);
    if ('reason' in head) {
      this.#parts.context.dataLoss.seeRefused(origin.target.name, request);
      this.#parts.refusals.record(origin.target, head);
      answerRefusal(request, response, head);
      return;
    }
    const body = head.hasBody && request instanceof Readable ? new RequestBody(request, continuing(request, response)) : undefined;
    const prepared = await this.#prepare(head, origin, body);
    if ('reason' in prepared) {
      this.#parts.context.dataLoss.seeRefused(origin.target.name, request);
      answerRefusal(request, response, prepared);
    } else if (!response.destroyed) this.#send(request, response, { ...prepared, head, body });
  }

  #send(request: FrontRequest, response: FrontResponse, { plan, transport, head, body }: Sendable): void {
    const stages = createStages(plan);
    const relay = new ResponseRelay(response, {
      plan,
      stages: stages.response,
      onFailure: (refusal, detail) => {
        this.#parts.refusals.record(plan.target, refusal, detail);
        answerRefusal(request, response, refusal);
      },
    });
    const forget = this.#register(head, plan, (reason) => relay.abort(reason));
    const emitter: NodeJS.EventEmitter = response;
    emitter.once('close', () => {
      forget();
      this.#recordEnd(plan, relay.outcome);
    });
    const { method, requestTarget, headers } = plan;
    transport.dispatch(
      {
        method,
        path: requestTarget,
        headers,
        body: body === undefined ? null : streamThrough(watchedBody(plan, body), stages.request),
        trailers: () => watchedTrailers(plan, forwardedHeaders(headerList(request.rawTrailers))),
      },
      relay,
    );
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, rest: Buffer, origin: RequestOrigin): Promise<void> {
    const { refusals, context } = this.#parts;
    const head = readRequestHead(request, origin);
    if ('reason' in head) {
      context.dataLoss.seeRefused(origin.target.name, request);
      return refusals.answerRaw(socket, origin.target, head);
    }
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || head.method !== 'GET' || head.hasBody) {
      const hint = 'Use HTTP/1.1 without an upgrade, or HTTP/2 over TLS.';
      return refusals.answerRaw(socket, origin.target, deny('upgrade-not-allowed', 'only an upgrade to WebSocket is forwarded', hint));
    }
    const prepared = await this.#prepare(head, origin);
    if ('reason' in prepared) {
      context.dataLoss.seeRefused(origin.target.name, request);
      socket.end(rawRefusal(prepared), () => socket.destroy());
      return;
    }
    if (socket.destroyed) return;
    const forget = this.#register(head, prepared.plan, () => socket.destroy());
    socket.once('close', () => {
      forget();
      this.#recordEnd(prepared.plan, {});
    });
    relayUpgrade(socket, rest, { ...prepared, onFailure: (refusal, detail) => refusals.record(origin.target, refusal, detail) });
  }

  /** Judges under the policy that still holds when the decision is recorded and everything is ready to send. */
  async #prepare(head: RequestHead, origin: RequestOrigin, body?: RequestBody): Promise<Prepared | Denied> {
    const { context, upstreams } = this.#parts;
    const paid = new Set<string>();
    for (;;) {
      const policy = context.policy();
      const planned = await planRequest(context, head, origin, body);
      const transport = 'reason' in planned ? undefined : (planned.local ?? upstreams.transport(origin.target, planned.upstream));
      const charged = 'reason' in planned ? planned : chargeRequest(context, planned, paid);
      const plan = await recordDecision(context, head, origin.target, charged);
      if ('reason' in plan) return plan;
      if (transport !== undefined && policy === context.policy()) return { plan, transport };
    }
  }

  #recordEnd({ target, route, auditLine }: RecordedPlan, outcome: Readonly<Record<string, number>>): void {
    const { name, port } = target;
    this.#parts.refusals.noteEnd({ kind: 'end', decision: 'allow', of: auditLine, host: name, port, route: route.name, ...outcome });
  }

  #register(head: RequestHead, { target, route }: RecordedPlan, abort: (reason: string) => void): () => void {
    return this.#parts.connections.addExchange(requestOf(head, target), route, abort);
  }
}

/** Tells a client once that its body is wanted, where it waits to be told. */
function continuing(request: FrontRequest, response: FrontResponse): () => void {
  let isDone = request.headers.expect === undefined;
  return () => {
    if (!isDone) response.writeContinue();
    isDone = true;
  };
}

function watchedBody({ watch, encodings }: RecordedPlan, body: RequestBody): Readable {
  return watch === undefined ? body.toSend() : watch.body(body.toSend(), encodings ?? []);
}

async function watchedTrailers({ watch }: RecordedPlan, trailers: HeaderList): Promise<HeaderList> {
  return watch === undefined || trailers.length === 0 ? trailers : await watch.trailers(trailers);
}
