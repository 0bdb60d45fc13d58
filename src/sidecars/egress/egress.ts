/*
 * Scope: every byte that leaves a bottle for the network: transparent connections, the explicit proxy, re-judging at a change of
 * policy. Out of scope: listeners and names (`sidecars/gateway`). Fail-safe direction: a connection that no rule names is refused
 * with a reason, at once; an error ends the connection.
 */
import type { Socket } from 'node:net';
import type { AuditLog } from '../../core/audit-log.ts';
import type { EgressPolicy } from '../../core/egress-policy.ts';
import { Budgets } from './budgets.ts';
import { ConnectionRouter } from './connection-router.ts';
import { Connections } from './connections.ts';
import { DataLossGuard, Questions, Tripwire, WatchedValues, watchedWith } from './data-loss/index.ts';
import { type Denied, decideConnection, deny, type EgressTarget, isNameAllowed } from './decide.ts';
import { type Dial, directDial, resolveOnHost } from './dial.ts';
import type { Egress, EgressOptions } from './egress-contract.ts';
import { type FrontHandlers, Fronts } from './front.ts';
import { maskedAudit } from './masked-audit.ts';
import { nestedTunnel } from './message.ts';
import { ExplicitProxy, type ProxyHandlers } from './proxy.ts';
import { proxyDial } from './proxy-dial.ts';
import { Refusals } from './refusals.ts';
import { Requests } from './requests.ts';
import { MatcherCache } from './scrub.ts';
import { SecretCache } from './secret-cache.ts';
import { CLIENT_LIMITS } from './slow-clients.ts';
import { Upstreams } from './upstream.ts';

/** The refusal of the request that carried the canary reaches the bottle first. */
const CUT_AFTER_MS = 200;

/**
 * The egress side of one bottle's gateway.
 *
 * @example
 * const egress = await createEgress({ policy, ca, readSecret, audit });
 * server.on('connection', (socket) => egress.handleTransparent(socket, { name: 'api.example.com', port: 443 }));
 */
export async function createEgress(options: EgressOptions): Promise<Egress> {
  const egress = new BottleEgress(options);
  await egress.open();
  return egress;
}

function dialOf({ upstreamProxy, resolveName = resolveOnHost, readSecret }: EgressOptions): Dial {
  return upstreamProxy === undefined ? directDial(resolveName) : proxyDial(upstreamProxy, { resolveName, readSecret });
}

class BottleEgress implements Egress {
  readonly audit: AuditLog;
  readonly #refusals: Refusals;
  readonly #upstreams: Upstreams;
  readonly #router: ConnectionRouter;
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
    this.#budgets = new Budgets(options.budgetFile);
    this.audit = maskedAudit(options.audit, (text) => this.#dataLoss.masked(text));
    this.#refusals = new Refusals(this.audit);
    this.#questions = new Questions(options.answersFile);
    this.#secrets = new SecretCache(options.readSecret);
    this.#upstreams = new Upstreams({ ...options, dial: dialOf(options) });
    this.#tripwire = options.tripwire === undefined ? undefined : new Tripwire(options.tripwire);
    this.#dataLoss = new DataLossGuard({
      values: new WatchedValues(watchedWith(options.tripwire?.canary, options.watched)),
      questions: this.#questions,
      note: (event) => this.#refusals.note(event),
      tripwire: this.#tripwire,
      onCanary: () => void setTimeout(() => this.#connections.destroyAll(), CUT_AFTER_MS),
      task: () => this.#policy.task,
    });
    const context = {
      policy: () => this.#policy,
      audit: this.audit,
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
    const limits = { ...CLIENT_LIMITS, ...options.clientLimits };
    const frontHandlers: FrontHandlers = {
      ...shared,
      onTunnel: (socket, target) => this.#refusals.answerRaw(socket, target, nestedTunnel()),
    };
    const fronts = new Fronts(options.ca, frontHandlers, limits);
    this.#router = new ConnectionRouter({
      policy: () => this.#policy,
      audit: this.audit,
      refusals: this.#refusals,
      budgets: this.#budgets,
      connections: this.#connections,
      upstreams: this.#upstreams,
      fronts,
      dataLoss: this.#dataLoss,
      firstBytesMs: limits.firstBytesMs,
    });
    const proxyHandlers: ProxyHandlers = {
      ...shared,
      judgeTunnel: (target) => this.#judgeTunnel(target),
      onTunnel: (socket, target) => this.#tunnel(socket, target),
      onRefusal: (target, refusal, request) => {
        this.#dataLoss.seeRefused(target?.name ?? '', request);
        this.#refusals.record(target, refusal);
      },
    };
    this.#proxy = new ExplicitProxy(proxyHandlers, limits);
  }

  async open(): Promise<void> {
    await this.#dataLoss.open();
  }

  get questions(): Egress['questions'] {
    return this.#questions;
  }

  /** Requests read it anew from now on; one that cannot be renewed is told of when it has ended. */
  async #refuseSecret({ onRefusedSecret }: EgressOptions, name: string, value: string): Promise<void> {
    const renewed = onRefusedSecret?.(name, value).catch(() => undefined);
    this.#secrets.clear();
    await renewed;
    this.#secrets.clear();
  }

  sentCanary(host: string): void {
    this.#dataLoss.seeSent(host);
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
    if (this.#admit(socket, target)) this.#router.route(socket, target);
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
    this.#router.route(socket, target);
  }
}
