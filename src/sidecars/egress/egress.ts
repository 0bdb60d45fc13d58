/*
 * Scope: every byte that leaves a bottle for the network: transparent connections, the explicit proxy, re-judging at a change of
 * policy. Out of scope: listeners and names (`sidecars/gateway`). Fail-safe direction: a connection that no rule names is refused
 * with a reason, at once; an error ends the connection.
 */
import type { Socket } from 'node:net';
import type { AuditLog } from '../../core/audit-log.ts';
import type { BottleCa } from '../../core/certificate.ts';
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import type { UpstreamProxy } from '../../core/upstream-proxy.ts';
import { Budgets } from './budgets.ts';
import { Connections } from './connections.ts';
import {
  type AnswerHold,
  DataLossGuard,
  type Question,
  Questions,
  Tripwire,
  type TripwireOptions,
  type WatchedSource,
  WatchedValues,
  watchedWith,
} from './data-loss/index.ts';
import { type Denied, decideConnection, deny, type EgressTarget, isNameAllowed } from './decide.ts';
import { type Dial, directDial, type ResolveName, resolveOnHost } from './dial.ts';
import { type FirstBytes, peekFirstBytes } from './first-bytes.ts';
import { type FrontHandlers, Fronts } from './front.ts';
import { nestedTunnel } from './message.ts';
import { type PassThroughOptions, passThrough, UNREADABLE_TLS } from './passthrough.ts';
import { ExplicitProxy } from './proxy.ts';
import { proxyDial } from './proxy-dial.ts';
import { Refusals } from './refusals.ts';
import { Requests } from './requests.ts';
import { MatcherCache } from './scrub.ts';
import { SecretCache } from './secret-cache.ts';
import { tlsNameRefusal } from './tls-name.ts';
import { Upstreams } from './upstream.ts';
import { UpstreamError } from './upstream-error.ts';

export interface EgressOptions {
  readonly policy: EgressPolicy;
  readonly ca: BottleCa;
  /** Gives the value of a secret, or rejects */
  readonly readSecret: (name: string) => Promise<string>;
  /** The server answered 401 to a request with this value of a secret; may renew it */
  readonly onRefusedSecret?: (name: string, value: string) => Promise<void>;
  readonly audit: AuditLog;
  /** PEM of CAs trusted for upstreams beside those of the host */
  readonly upstreamCaPem?: string;
  /** Where totals of budgets lie, so that a restart does not forget them; in memory alone where absent */
  readonly budgetFile?: string;
  /** Where answers lie that hold for ever; in memory alone where absent */
  readonly answersFile?: string;
  /** Proxy of the host */
  readonly upstreamProxy?: UpstreamProxy;
  /** Addresses of a name; the host's resolver where absent */
  readonly resolveName?: ResolveName;
  /** Values that must not leave the bottle */
  readonly watched?: WatchedSource;
  /** The token that was put into the bottle to be noticed when it leaves */
  readonly tripwire?: TripwireOptions;
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
  /** Requests that wait for a person */
  readonly questions: {
    list(): readonly Question[];
    /** False where no such question waits (any more) */
    answer(id: string, isAllowed: boolean, hold?: AnswerHold): boolean;
    /** Takes back every yes that still holds */
    forgetAnswers(): void;
  };
  /** Lets a bottle that sent its canary go on */
  resume(): void;
  close(): Promise<void>;
}

/** A client that speaks first does so at once; others wait for the server's greeting. */
const GREETING_WAIT_MS = 250;
const CUT_AFTER_MS = 200;
const FIRST_BYTES_TIMEOUT_MS = 15_000;
const UNREADABLE = deny(
  'needs-inspection',
  'the route inspects requests, and this is neither TLS nor HTTP',
  'Use a route in the mode `passthrough`.',
);

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

function dialOf({ upstreamProxy, resolveName = resolveOnHost, readSecret }: EgressOptions): Dial {
  return upstreamProxy === undefined ? directDial(resolveName) : proxyDial(upstreamProxy, { resolveName, readSecret });
}

class BottleEgress implements Egress {
  readonly #audit: AuditLog;
  readonly #refusals: Refusals;
  readonly #upstreams: Upstreams;
  readonly #fronts: Fronts;
  readonly #proxy: ExplicitProxy;
  readonly #connections = new Connections();
  readonly #secrets: SecretCache;
  readonly #matchers = new MatcherCache();
  readonly #budgets: Budgets;
  readonly #questions: Questions;
  readonly #tripwire: Tripwire | undefined;
  readonly #dataLoss: DataLossGuard;
  #policy: EgressPolicy;

  constructor(options: EgressOptions) {
    this.#policy = options.policy;
    this.#audit = options.audit;
    this.#budgets = new Budgets(options.budgetFile);
    this.#refusals = new Refusals(options.audit);
    this.#questions = new Questions(options.answersFile);
    this.#secrets = new SecretCache(options.readSecret);
    this.#upstreams = new Upstreams({ ...options, dial: dialOf(options) });
    this.#tripwire = options.tripwire === undefined ? undefined : new Tripwire(options.tripwire);
    this.#dataLoss = new DataLossGuard({
      values: new WatchedValues(watchedWith(options.tripwire?.canary, options.watched)),
      questions: this.#questions,
      note: (event) => this.#refusals.note(event),
      tripwire: this.#tripwire,
      // The refusal of the request that carried the canary reaches the bottle first
      onCanary: () => void setTimeout(() => this.#connections.destroyAll(), CUT_AFTER_MS),
      task: () => this.#policy.task,
    });
    const context = {
      policy: () => this.#policy,
      audit: options.audit,
      readSecret: (name: string) => this.#secrets.read(name),
      refuseSecret: (name: string, value: string) => this.#refuseSecret(options, name, value),
      matchers: this.#matchers,
      budgets: this.#budgets,
      dataLoss: this.#dataLoss,
    };
    const requests = new Requests({ context, upstreams: this.#upstreams, connections: this.#connections, refusals: this.#refusals });
    const shared: Pick<FrontHandlers, 'onRequest' | 'onUpgrade' | 'onClientError'> = {
      onRequest: (request, response, origin) => requests.onRequest(request, response, origin),
      onUpgrade: (request, socket, head, origin) => requests.onUpgrade(request, socket, head, origin),
      onClientError: (error, socket, target) => requests.onClientError(error, socket, target),
    };
    this.#fronts = new Fronts(options.ca, {
      ...shared,
      onTunnel: (socket, target) => this.#refusals.answerRaw(socket, target, nestedTunnel()),
    });
    this.#proxy = new ExplicitProxy({
      ...shared,
      judgeTunnel: (target) => this.#judgeTunnel(target),
      onTunnel: (socket, target) => this.#tunnel(socket, target),
      onRefusal: (target, refusal) => this.#refusals.record(target, refusal),
    });
  }

  get questions(): Egress['questions'] {
    return this.#questions;
  }

  /** The next request reads it anew; one that cannot be renewed is told of when it has ended. */
  async #refuseSecret({ onRefusedSecret }: EgressOptions, name: string, value: string): Promise<void> {
    await onRefusedSecret?.(name, value).catch(() => undefined);
    this.#secrets.clear();
  }

  resume(): void {
    this.#tripwire?.reset();
  }

  nameAllowed(name: string): boolean {
    this.#dataLoss.seeName(name);
    return isNameAllowed(this.#policy, name);
  }

  ports(): number[] {
    return [...new Set(this.#policy.routes.flatMap((route) => route.ports))].sort((a, b) => a - b);
  }

  handleTransparent(socket: Socket, target: EgressTarget): void {
    if (this.#admit(socket, target)) this.#start(socket, target);
  }

  handleProxy(socket: Socket): void {
    if (this.#admit(socket, undefined)) this.#proxy.accept(socket);
  }

  setPolicy(policy: EgressPolicy): void {
    this.#policy = policy;
    this.#secrets.clear();
    this.#matchers.clear();
    const cut = this.#connections.rejudge(policy);
    this.#refusals.note({ kind: 'policy', decision: 'allow', routes: policy.routes.length, connectionsCut: cut });
  }

  async close(): Promise<void> {
    this.#questions.close();
    this.#connections.destroyAll();
    this.#upstreams.close();
    this.#budgets.close();
  }

  #admit(socket: Socket, target: EgressTarget | undefined): boolean {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    if (this.#connections.add(socket, target)) return true;
    this.#refusals.record(target, deny('too-many-connections', 'the bottle has too many open connections', 'Close some.'));
    socket.resetAndDestroy();
    return false;
  }

  #judgeTunnel(target: EgressTarget): Denied | undefined {
    this.#dataLoss.seeName(target.name);
    const decision = decideConnection(this.#policy, target);
    return decision.allow ? undefined : decision;
  }

  #tunnel(socket: Socket, target: EgressTarget): void {
    this.#connections.retarget(socket, target);
    this.#start(socket, target);
  }

  #start(socket: Socket, target: EgressTarget): void {
    this.#accept(socket, target).catch((error: unknown) => this.#refusals.fault(socket, target, error));
  }

  /** A transparent connection, or what follows a CONNECT. */
  async #accept(socket: Socket, target: EgressTarget): Promise<void> {
    const first = await peekFirstBytes(socket, this.#speaksFirst(target) ? FIRST_BYTES_TIMEOUT_MS : GREETING_WAIT_MS);
    const decision = decideConnection(this.#policy, target);
    const stopped = this.#dataLoss.stopped();
    const otherName = first.kind === 'hello' ? tlsNameRefusal(first, target, decision) : undefined;
    if (first.kind === 'closed') socket.destroy();
    else if (stopped !== undefined && !(decision.allow && decision.mode === 'inspect')) this.#reset(socket, target, stopped);
    else if (otherName !== undefined) this.#refusals.answerTlsName(socket, target, otherName);
    else if (decision.allow && decision.mode === 'passthrough') await this.#passThrough(socket, target, decision.routes[0], first);
    else if (first.kind === 'hello') await this.#fronts.acceptSecure(socket, target);
    else if (first.kind === 'http') this.#fronts.acceptPlain(socket, target);
    else this.#reset(socket, target, decision.allow ? UNREADABLE : decision);
  }

  /** In HTTP and TLS the client speaks first; of other protocols that is not known. */
  #speaksFirst(target: EgressTarget): boolean {
    const decision = decideConnection(this.#policy, target);
    return decision.allow && decision.mode === 'inspect';
  }

  async #passThrough(socket: Socket, target: EgressTarget, route: Route, first: FirstBytes): Promise<void> {
    if (first.kind === 'invalid') {
      this.#refusals.answerTlsName(socket, target, UNREADABLE_TLS);
      return;
    }
    const spent = this.#budgets.admit(route);
    if (spent !== undefined) {
      this.#reset(socket, target, spent);
      return;
    }
    const what = { decision: 'allow', host: target.name, port: target.port, route: route.name } as const;
    const of = this.#audit.record({ kind: 'connection', ...what });
    socket.once('close', () => {
      this.#refusals.noteEnd({ kind: 'end', ...what, of, bytesUp: socket.bytesRead, bytesDown: socket.bytesWritten });
    });
    this.#connections.markPassthrough(socket, target);
    try {
      await passThrough(socket, first, {
        dial: () => this.#upstreams.dial(target, route.privateNetworks ?? []),
        ...this.#metered(route, target),
        judgeTls: (hello) => tlsNameRefusal(hello, target, decideConnection(this.#policy, target)),
        onTlsName: (refusal) => this.#refusals.answerTlsName(socket, target, refusal),
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.#reset(socket, target, deny(error.reason, error.message, ''));
    }
  }

  /** A connection whose budget is spent is ended where it is, and recorded. */
  #metered(route: Route, target: EgressTarget): Pick<PassThroughOptions, 'count'> {
    const meter = this.#budgets.meter(route);
    if (meter === undefined) return {};
    const noted = (refusal: Denied | undefined): Denied | undefined => {
      if (refusal !== undefined) this.#refusals.record(target, refusal);
      return refusal;
    };
    return { count: { up: (bytes) => noted(meter.up(bytes)), down: (bytes) => noted(meter.down(bytes)) } };
  }

  #reset(socket: Socket, target: EgressTarget, refusal: Denied): void {
    this.#refusals.record(target, refusal);
    socket.resetAndDestroy();
  }
}
