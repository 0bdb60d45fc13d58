/*
 * Scope: one HTTP request from its head to the decision, the credential and the hand-over to the upstream.
 * Out of scope: moving the bytes (`relay.ts`). Fail-safe direction: nothing is sent before the decision is in the audit log.
 */

import type { AuditLog } from '../../core/audit-log.ts';
import type { EgressPolicy, Route } from '../../core/egress-policy.ts';
import { messageOf } from '../../core/errors.ts';
import type { Budgets, RouteMeter } from './budgets.ts';
import { withoutCredentials } from './credentials.ts';
import { type BodyEncoding, bodyEncodings, type DataLossGuard, type Watch, watchRequest } from './data-loss/index.ts';
import { type Denied, decide, deny, type EgressRequest, type EgressTarget, type RequestDecision } from './decide.ts';
import type { RequestOrigin } from './front.ts';
import { refuseForgeQuestion } from './git-road.ts';
import { forwardedHeaders, type HeaderList } from './headers.ts';
import { injectCredential } from './inject.ts';
import { authorityOf, type RequestHead } from './message.ts';
import { oauthTransport } from './oauth-answer.ts';
import type { PatternMatcher } from './pattern-matcher.ts';
import { ownField } from './place-credential.ts';
import type { RequestBody } from './request-body.ts';
import type { MatcherCache } from './scrub.ts';
import type { Transport } from './transport.ts';
import type { UpstreamOptions } from './upstream.ts';

/** What to send, and where; written anew from what was read. */
export interface ForwardPlan {
  readonly target: EgressTarget;
  readonly upstream: UpstreamOptions;
  readonly method: string;
  readonly requestTarget: string;
  readonly headers: HeaderList;
  readonly route: Route;
  /** Counts the bytes of the exchange where its route limits them */
  readonly meter?: RouteMeter;
  /** Looks at the body, or at the frames of a WebSocket */
  readonly watch?: Watch;
  /** What the body is decoded from before it is looked at and sent */
  readonly encodings?: readonly BodyEncoding[];
  /** Answers in the place of the server */
  readonly local?: Transport;
  /** Called where the server answers that the credential does not let in */
  readonly onUnauthorized?: () => void;
  /** Finds the values that must not come back; undefined where none was added */
  readonly scrub: PatternMatcher | undefined;
}

/** A plan whose decision is in the audit log, in the line of this number. */
export type RecordedPlan = ForwardPlan & { readonly auditLine: number };

export interface ExchangeContext {
  readonly policy: () => EgressPolicy;
  readonly audit: AuditLog;
  readonly readSecret: (name: string) => Promise<string>;
  /** The server did not take this value of a secret */
  readonly refuseSecret: (name: string, value: string) => Promise<void>;
  readonly matchers: MatcherCache;
  readonly budgets: Budgets;
  readonly dataLoss: DataLossGuard;
}

/** What a decision looks at. */
export function requestOf({ method, target, headers, hasBody, isWebSocket }: RequestHead, origin: EgressTarget): EgressRequest {
  return { name: origin.name, port: origin.port, method, target, headers, hasBody, isWebSocket };
}

/** May this request go out, and by which route? */
function judgeRequest(context: ExchangeContext, head: RequestHead, target: EgressTarget): RequestDecision {
  return decide(context.policy(), requestOf(head, target));
}

/** Judges a request and says what to send upstream, or why nothing is sent. */
export async function planRequest(
  context: ExchangeContext,
  head: RequestHead,
  origin: RequestOrigin,
  body: RequestBody | undefined,
): Promise<ForwardPlan | Denied> {
  const { target, secure } = origin;
  context.dataLoss.seeName(target.name);
  const stopped = context.dataLoss.stopped();
  if (stopped !== undefined) return stopped;
  const decision = judgeRequest(context, head, target);
  if (!decision.allow) return decision;
  const { route } = decision;
  const readBody = async (maxBytes: number): Promise<Buffer | undefined> =>
    body === undefined ? Buffer.alloc(0) : await body.whole(maxBytes);
  const write = await refuseForgeQuestion(context.policy(), { request: requestOf(head, target), route, readBody });
  if (write !== undefined) return write;
  const upstreamSecure = secure && route.plainUpstream !== true;
  const plan = {
    target,
    upstream: { secure: upstreamSecure, privateNetworks: route.privateNetworks ?? [] },
    method: head.method,
    route,
  };
  if (route.oauth !== undefined) {
    const local = oauthTransport(route.oauth, context.readSecret);
    return { ...plan, requestTarget: decision.forwardTarget, headers: [], local, scrub: undefined };
  }
  const host = ['host', authorityOf(target, upstreamSecure)] as const;
  const carrier = { headers: forwardedHeaders(head.headers), target: decision.forwardTarget };
  const watched = await watchRequest(context.dataLoss, { target, method: head.method, route }, carrier, head.hasBody);
  if ('reason' in watched) return watched;
  const { headers, target: requestTarget, ...watch } = watched;
  if (!decision.managed) return { ...plan, ...watch, requestTarget, headers: [host, ...headers], scrub: undefined };
  const bare = withoutCredentials({ headers, target: requestTarget }, ownField(route.inject));
  if ('reason' in bare) return bare;
  const encodings = head.hasBody ? bodyEncodings(bare.headers) : [];
  if ('reason' in encodings) return encodings;
  if (route.inject === undefined)
    return { ...plan, ...watch, requestTarget: bare.target, headers: [host, ...bare.headers], scrub: undefined };
  if (!upstreamSecure && route.plainUpstream !== true) {
    return deny('plain-credential', `the credential of route \`${route.name}\` is only sent over TLS`, `Use \`https://${target.name}\`.`);
  }
  const injected = await injectCredential(context, { head, host: host[1], bare, body }, route.inject);
  if ('reason' in injected) return injected;
  return { ...plan, ...watch, ...injected, headers: [host, ...injected.headers] };
}

/**
 * Counts a request that would be sent, with the bytes of its head, unless the budget of its route is spent.
 * @param paid names of the routes that have counted this request, so that one that is judged again is counted once
 */
export function chargeRequest({ budgets }: ExchangeContext, planned: ForwardPlan, paid: Set<string>): ForwardPlan | Denied {
  const { route } = planned;
  const meter = budgets.meter(route);
  if (!paid.has(route.name)) {
    const head = planned.headers.reduce((sum, [name, value]) => sum + name.length + value.length, planned.requestTarget.length);
    const refusal = budgets.admit(route) ?? meter?.up(head);
    if (refusal !== undefined) return refusal;
    paid.add(route.name);
  }
  return meter === undefined ? planned : { ...planned, meter };
}

/** In the place of a path that holds a secret */
const WITHHELD_PATH = '/(holds a secret)';

/** The decision once it is recorded; one that cannot be recorded is a refusal. */
export async function recordDecision(
  { audit, dataLoss }: ExchangeContext,
  head: RequestHead,
  target: EgressTarget,
  planned: ForwardPlan | Denied,
): Promise<RecordedPlan | Denied> {
  const written = head.target.split('?', 1)[0] ?? '';
  try {
    // what a bottle stole and put into a path must not lie about in the log either
    const path = (await dataLoss.holdsSecret(written)) ? WITHHELD_PATH : written;
    const common = { kind: 'request', host: target.name, port: target.port, method: head.method, path };
    if ('reason' in planned) {
      await audit.commit({
        ...common,
        decision: 'deny',
        reason: planned.reason,
        ...(planned.detail === undefined ? {} : { detail: planned.detail }),
      });
      return planned;
    }
    const injected = planned.scrub === undefined ? {} : { injected: true };
    const auditLine = await audit.commit({ ...common, decision: 'allow', route: planned.route.name, ...injected });
    return { ...planned, auditLine };
  } catch (error) {
    if ('reason' in planned) return planned;
    const hint = 'A person frees some space on the host; `terok doctor` says more.';
    return { ...deny('audit-unavailable', 'the host cannot record this decision', hint), detail: messageOf(error) };
  }
}
