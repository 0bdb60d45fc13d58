/*
 * Scope: every byte that leaves a bottle for the network: transparent connections, the explicit proxy, re-judging at a change of
 * policy. Out of scope: listeners and names (`sidecars/gateway`). Fail-safe direction: a connection that no rule names is refused
 * with a reason, at once; an error ends the connection.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type BottleCa, type EgressPolicy, messageOf } from '../../core/index.ts';
import type { AuditEvent, AuditLog } from './audit-log.ts';
import { Connections } from './connections.ts';
import { type Denied, decideConnection, deny, type EgressTarget, isNameAllowed } from './decide.ts';
import { type ExchangeContext, planRequest } from './exchange.ts';
import { type FirstBytes, peekFirstBytes } from './first-bytes.ts';
import { type FrontRequest, type FrontResponse, Fronts } from './front.ts';
import { nestedTunnel, readRequestHead } from './message.ts';
import { passThrough } from './passthrough.ts';
import { ExplicitProxy } from './proxy.ts';
import { rawRefusal } from './refusal.ts';
import { answerRefusal, dispatchRequest, ResponseRelay } from './relay.ts';
import { SecretCache } from './secret-cache.ts';
import { relayUpgrade } from './upgrade.ts';
import { type ResolveName, UpstreamError, Upstreams } from './upstream.ts';

export interface EgressOptions {
  readonly policy: EgressPolicy;
  readonly ca: BottleCa;
  /** Gives the value of a secret, or rejects */
  readonly readSecret: (name: string) => Promise<string>;
  readonly audit: AuditLog;
  /** PEM of CAs trusted for upstreams beside those of the host */
  readonly upstreamCaPem?: string;
  /** Addresses of a name; the host's resolver where absent */
  readonly resolveName?: ResolveName;
}

export interface Egress {
  /** Does any route name this host? For the name server of the bottle */
  nameAllowed(name: string): boolean;
  /** Takes over a connection that the bottle made to the synthetic address of `target.name` */
  handleTransparent(socket: Socket, target: EgressTarget): void;
  /** Takes over a connection to the explicit proxy (CONNECT, absolute-form) */
  handleProxy(socket: Socket): void;
  /** Replaces the policy; connections and requests that it does not allow are cut at once */
  setPolicy(policy: EgressPolicy): void;
  /** Every port that a route names, ascending */
  ports(): number[];
  close(): Promise<void>;
}

/** A client that speaks first does so at once; others wait for the server's greeting. */
const GREETING_WAIT_MS = 250;
const FIRST_BYTES_TIMEOUT_MS = 15_000;
/** TLS alert `unrecognized_name`, fatal. */
const UNRECOGNIZED_NAME = Buffer.of(0x15, 3, 1, 0, 2, 2, 112);

/**
 * The egress side of one bottle's gateway.
 *
 * @example
 * const egress = await createEgress({ policy, ca, readSecret, audit });
 * server.on('connection', (socket) => egress.handleTransparent(socket, { name: 'api.example.com', port: 443 }));
 */
export async function createEgress(options: EgressOptions): Promise<Egress> {
  return new BottleEgress(options);
}

class BottleEgress implements Egress {
  readonly #context: ExchangeContext;
  readonly #audit: AuditLog;
  readonly #upstreams: Upstreams;
  readonly #fronts: Fronts;
  readonly #proxy: ExplicitProxy;
  readonly #connections = new Connections();
  readonly #secrets: SecretCache;
  #policy: EgressPolicy;

  constructor(options: EgressOptions) {
    this.#policy = options.policy;
    this.#audit = options.audit;
    this.#secrets = new SecretCache(options.readSecret);
    this.#context = { policy: () => this.#policy, audit: options.audit, readSecret: (name) => this.#secrets.read(name) };
    this.#upstreams = new Upstreams(options);
    const onRequest = (
      request: FrontRequest,
      response: FrontResponse,
      target: EgressTarget,
      secure: boolean,
      requestTarget?: string,
    ): void => {
      this.#request(request, response, target, secure, requestTarget).catch((error: unknown) => this.#broken(response, target, error));
    };
    const onUpgrade = (
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      target: EgressTarget,
      secure: boolean,
      requestTarget?: string,
    ): void => {
      this.#upgrade(request, socket, head, target, secure, requestTarget).catch((error: unknown) => this.#broken(socket, target, error));
    };
    const onClientError = (error: Error, socket: Duplex, target?: EgressTarget): void => this.#clientError(error, socket, target);
    this.#fronts = new Fronts(options.ca, {
      onRequest,
      onUpgrade,
      onClientError,
      onTunnel: (_request, socket, target) => this.#refuseRaw(socket, target, nestedTunnel()),
    });
    this.#proxy = new ExplicitProxy({
      onRequest,
      onUpgrade,
      onClientError,
      judgeTunnel: (target) => this.#judgeTunnel(target),
      onTunnel: (socket, target) => this.#tunnel(socket, target),
      onRefusal: (target, refusal) => this.#recordRefusal(target, refusal),
    });
  }

  nameAllowed(name: string): boolean {
    return isNameAllowed(this.#policy, name);
  }

  ports(): number[] {
    return [...new Set(this.#policy.routes.flatMap((route) => route.ports))].sort((a, b) => a - b);
  }

  handleTransparent(socket: Socket, target: EgressTarget): void {
    if (!this.#admit(socket, target)) return;
    this.#accept(socket, target).catch((error: unknown) => this.#broken(socket, target, error));
  }

  handleProxy(socket: Socket): void {
    if (this.#admit(socket, undefined)) this.#proxy.accept(socket);
  }

  setPolicy(policy: EgressPolicy): void {
    this.#policy = policy;
    this.#secrets.clear();
    const cut = this.#connections.rejudge(policy);
    this.#note({ kind: 'policy', decision: 'allow', routes: policy.routes.length, connectionsCut: cut });
  }

  async close(): Promise<void> {
    this.#connections.destroyAll();
    await this.#upstreams.close();
  }

  #admit(socket: Socket, target: EgressTarget | undefined): boolean {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    if (this.#connections.add(socket, target)) return true;
    this.#recordRefusal(target, deny('too-many-connections', 'the bottle has too many open connections', 'Close some.'));
    socket.resetAndDestroy();
    return false;
  }

  /** A transparent connection, or what follows a CONNECT. */
  async #accept(socket: Socket, target: EgressTarget): Promise<void> {
    const decision = decideConnection(this.#policy, target);
    const clientFirst = decision.allow && decision.mode === 'inspect';
    const first = await peekFirstBytes(socket, clientFirst ? FIRST_BYTES_TIMEOUT_MS : GREETING_WAIT_MS);
    if (first.kind === 'closed') {
      socket.destroy();
      return;
    }
    if (first.kind === 'hello' && first.serverName?.toLowerCase() !== target.name) {
      this.#refuseTlsName(socket, target, first.serverName);
      return;
    }
    if (decision.allow && decision.mode === 'passthrough')
      await this.#passThrough(socket, target, decision.routes[0].name, decision.routes[0].privateNetworks ?? [], first);
    else if (first.kind === 'hello') await this.#fronts.acceptSecure(socket, target);
    else if (first.kind === 'http') this.#fronts.acceptPlain(socket, target);
    else {
      const refusal = decision.allow
        ? deny(
            'needs-inspection',
            'the route inspects requests, and this is neither TLS nor HTTP',
            'Use a route in the mode `passthrough`.',
          )
        : decision;
      this.#recordRefusal(target, refusal);
      socket.resetAndDestroy();
    }
  }

  async #passThrough(
    socket: Socket,
    target: EgressTarget,
    route: string,
    privateNetworks: readonly string[],
    first: FirstBytes,
  ): Promise<void> {
    if (first.kind === 'invalid') {
      this.#refuseTlsName(socket, target, undefined);
      return;
    }
    this.#audit.record({ kind: 'connection', decision: 'allow', host: target.name, port: target.port, route });
    this.#connections.markPassthrough(socket, target);
    try {
      await passThrough(socket, target, first, {
        dial: () => this.#upstreams.dial(target, privateNetworks),
        onTlsName: (serverName) => this.#refuseTlsName(socket, target, serverName),
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.#recordRefusal(target, deny(error.reason, error.message, ''));
      socket.resetAndDestroy();
    }
  }

  #judgeTunnel(target: EgressTarget): Denied | undefined {
    const decision = decideConnection(this.#policy, target);
    return decision.allow ? undefined : decision;
  }

  #tunnel(socket: Socket, target: EgressTarget): void {
    this.#connections.retarget(socket, target);
    this.#accept(socket, target).catch((error: unknown) => this.#broken(socket, target, error));
  }

  async #request(
    request: FrontRequest,
    response: FrontResponse,
    target: EgressTarget,
    secure: boolean,
    requestTarget?: string,
  ): Promise<void> {
    const head = readRequestHead(request, target, secure, requestTarget);
    if ('reason' in head) {
      this.#recordRefusal(target, head);
      answerRefusal(request, response, head);
      return;
    }
    const plan = await planRequest(this.#context, head, target, secure);
    if ('reason' in plan) {
      answerRefusal(request, response, plan);
      return;
    }
    const dispatcher = await this.#upstreams.pool(target, plan.upstream);
    if (response.destroyed) return;
    if (request.headers.expect !== undefined && head.hasBody) response.writeContinue();
    const relay = new ResponseRelay(response, {
      plan,
      onFailure: (refusal, detail) => {
        this.#recordRefusal(target, refusal, detail);
        answerRefusal(request, response, refusal);
      },
    });
    response.once(
      'close',
      this.#connections.addExchange({ ...target, method: head.method, target: head.target }, plan.route, (reason) => relay.abort(reason)),
    );
    dispatchRequest(dispatcher, plan, head.hasBody ? request : null, relay);
  }

  async #upgrade(
    request: IncomingMessage,
    socket: Duplex,
    rest: Buffer,
    target: EgressTarget,
    secure: boolean,
    requestTarget?: string,
  ): Promise<void> {
    const head = readRequestHead(request, target, secure, requestTarget);
    if ('reason' in head) return this.#refuseRaw(socket, target, head);
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || head.method !== 'GET' || head.hasBody) {
      return this.#refuseRaw(
        socket,
        target,
        deny('upgrade-not-allowed', 'only an upgrade to WebSocket is forwarded', 'Use HTTP/1.1 without an upgrade, or HTTP/2 over TLS.'),
      );
    }
    const plan = await planRequest(this.#context, head, target, secure);
    if ('reason' in plan) return void socket.end(rawRefusal(plan));
    const dispatcher = await this.#upstreams.pool(target, plan.upstream);
    socket.once(
      'close',
      this.#connections.addExchange({ ...target, method: head.method, target: head.target }, plan.route, () => socket.destroy()),
    );
    relayUpgrade(socket, rest, { dispatcher, plan, onFailure: (refusal, detail) => this.#recordRefusal(target, refusal, detail) });
  }

  #clientError(error: Error, socket: Duplex, target: EgressTarget | undefined): void {
    const code = 'code' in error ? String(error.code) : error.message;
    if (code.startsWith('HPE_')) {
      this.#refuseRaw(
        socket,
        target,
        deny('framing-ambiguous', `the request is not well-formed HTTP/1.1 (${code})`, 'Send a request with one reading.'),
      );
      return;
    }
    socket.destroy();
    if (target === undefined || !/ALERT|_CA$|CERTIFICATE/.test(code)) return;
    this.#note({ kind: 'tls', decision: 'deny', host: target.name, port: target.port, reason: 'ca-not-trusted', detail: code });
  }

  #refuseRaw(socket: Duplex, target: EgressTarget | undefined, refusal: Denied): void {
    this.#recordRefusal(target, refusal);
    if (socket.writable) socket.end(rawRefusal(refusal), () => socket.destroy());
    else socket.destroy();
  }

  #refuseTlsName(socket: Socket, target: EgressTarget, serverName: string | undefined): void {
    const seen = serverName === undefined ? 'no server name' : `the server name \`${serverName.slice(0, 100)}\``;
    this.#recordRefusal(
      target,
      deny(serverName === undefined ? 'tls-name-missing' : 'host-mismatch', `TLS with ${seen} on a connection for \`${target.name}\``, ''),
    );
    socket.end(UNRECOGNIZED_NAME, () => socket.destroySoon());
  }

  #recordRefusal(target: EgressTarget | undefined, refusal: Denied, detail?: string): void {
    this.#note({
      kind: 'connection',
      decision: 'deny',
      ...(target === undefined ? {} : { host: target.name, port: target.port }),
      reason: refusal.reason,
      detail: detail ?? refusal.message,
    });
  }

  /** Records what ends in a refusal anyway: it stands, also where the log cannot be written. */
  #note(event: AuditEvent): void {
    try {
      this.#audit.record(event);
    } catch (error) {
      process.emitWarning(`The audit log cannot be written: ${messageOf(error)}`);
    }
  }

  /** An unforeseen error ends its own connection and nothing else. */
  #broken(peer: { destroy(): unknown }, target: EgressTarget, error: unknown): void {
    peer.destroy();
    this.#note({ kind: 'fault', decision: 'deny', host: target.name, port: target.port, problem: messageOf(error) });
  }
}
