/*
 * Scope: what leaves a bottle by inspected routes is looked through for stored secrets, the bottle's canary and, where a route asks for
 * it, what looks like a credential. Out of scope: passthrough; values that were encrypted, or encoded in a way that
 * `secret-forms.ts` does not name: this stops accidents and lazy thefts, the routes stop the others.
 * Fail-safe direction: what cannot be looked at is not sent; a find that nobody decides about is refused.
 */

import type { AuditEvent } from '../../../core/audit-log.ts';
import type { DataLossAction, Route } from '../../../core/index.ts';
import { type Denied, deny, type EgressTarget } from '../decide.ts';
import { Scrubber } from '../scrub.ts';
import { StageRefusal } from '../stages.ts';
import { type Detect, loadDetectors } from './detectors.ts';
import { describeFinding, type Finding } from './finding.ts';
import { percentDecoded } from './percent-decoded.ts';
import type { Questions } from './questions.ts';
import type { Tripwire, TripwireMark } from './tripwire.ts';
import { Watch } from './watch.ts';
import type { WatchedValues } from './watched-values.ts';

export interface DataLossParts {
  readonly values: WatchedValues;
  readonly questions: Questions;
  readonly note: (event: AuditEvent) => void;
  /** Absent for a bottle without a canary */
  readonly tripwire: Tripwire | undefined;
  /** The canary was seen: everything that leaves the bottle stops */
  readonly onCanary: () => void;
  /** Name of the task, for the commands in refusals */
  readonly task: () => string | undefined;
}

/** A request on its way out. */
export interface OutgoingRequest {
  readonly target: EgressTarget;
  readonly method: string;
  readonly route: Route;
}

export class DataLossGuard {
  readonly #parts: DataLossParts;
  #detect: Promise<Detect> | undefined;

  constructor(parts: DataLossParts) {
    this.#parts = parts;
  }

  /** Why nothing may leave the bottle; undefined where that is not so. */
  stopped(): Denied | undefined {
    return this.#parts.tripwire?.isTripped === true ? this.#canaryRefusal() : undefined;
  }

  /** A name that the bottle asks for or connects to is sent out as well. */
  seeName(name: string): void {
    this.#see(name, { host: name, as: 'as a name' });
  }

  /** What was refused did not leave, but who sends the canary has read what nothing in the bottle has a use for. */
  seeRefused(host: string, { url = '', rawHeaders }: { readonly url?: string | undefined; readonly rawHeaders: readonly string[] }): void {
    if (this.#parts.tripwire !== undefined) this.#see([url, ...rawHeaders].join('\n'), { host, as: 'in a request that was refused' });
  }

  #see(text: string, { host, as }: { readonly host: string; readonly as: string }): void {
    if (this.#parts.tripwire?.isIn(text) === true) this.seeSent(host, as);
  }

  /** The canary was in what the bottle sent there. */
  seeSent(host: string, as = 'in a push'): void {
    const { tripwire } = this.#parts;
    if (tripwire === undefined || tripwire.isTripped) return;
    this.#parts.note({
      kind: 'data-loss',
      decision: 'deny',
      host,
      reason: 'canary-seen',
      detail: `block: the canary of this bottle, ${as}`,
    });
    this.#trip({ host });
  }

  /** Reads the values, so that nothing is written down before they are known. */
  async open(): Promise<void> {
    // Where that fails now, it fails for each request, which is refused
    await this.#parts.values.current().catch(() => undefined);
  }

  /** A text that the bottle chose, as it may be written down on the host. */
  masked(text: string): string {
    const matcher = this.#parts.values.known?.matcher;
    if (matcher === undefined) return text;
    const exact = new Scrubber(matcher).text(text);
    const [lower, folded] = [exact.toLowerCase(), matcher.names.masked(exact.toLowerCase())];
    return folded === lower ? exact : folded;
  }

  /** Does a text hold a stored secret or the canary, as it is or percent-encoded? For what is written down on the host. */
  async holdsSecret(text: string): Promise<boolean> {
    const set = await this.#parts.values.current();
    return set !== undefined && set.matcher.firstIn(Buffer.from(`${text}\n${percentDecoded(text)}`)) !== -1;
  }

  /** Watches one request; undefined where there is nothing to look for. */
  async watch(request: OutgoingRequest): Promise<Watch | undefined> {
    const set = await this.#parts.values.current();
    const rule = request.route.dataLoss ?? {};
    if (rule.detectors !== undefined) this.#detect ??= loadDetectors();
    const detect = rule.detectors === undefined ? undefined : await this.#detect;
    if (set === undefined && detect === undefined) return undefined;
    return new Watch({
      set,
      detect,
      masksSecrets: rule.secrets === 'redact',
      masksDetected: rule.detectors === 'redact',
      judge: (finding, canMask) => this.#judge(finding, request, canMask),
      judgeTrailer: (finding) => this.#judgeTrailer(finding, request),
    });
  }

  /** Resolves where the request may go on with the find in it, or with `*` in its place. */
  async #judge(finding: Finding, { target, method, route }: OutgoingRequest, canMask: boolean): Promise<void> {
    const action = actionFor(finding, route, canMask);
    this.#note(finding, action, { host: target.name, port: target.port, method, route: route.name });
    if (finding.kind === 'canary') {
      this.#trip({ host: target.name, rule: route.name });
      throw new StageRefusal(this.#canaryRefusal());
    }
    if (action === 'block')
      throw new StageRefusal(
        lossRefusal(finding, 'data-loss', 'A person changes `dataLoss` of the route, where this is meant to be sent.'),
      );
    if (action !== 'ask' || (await this.#parts.questions.ask(finding, { host: target.name, method }))) return;
    throw new StageRefusal(lossRefusal(finding, 'data-loss-refused', 'A person was asked and did not allow it in time.'));
  }

  #judgeTrailer(finding: Finding, { target, method, route }: OutgoingRequest): boolean {
    const action = actionFor(finding, route, false) === 'log' ? 'log' : 'block';
    this.#note(finding, action, { host: target.name, port: target.port, method, route: route.name });
    if (finding.kind === 'canary') this.#trip({ host: target.name, rule: route.name });
    return action === 'log';
  }

  #trip(where: Pick<TripwireMark, 'host' | 'rule'>): void {
    this.#parts.tripwire?.trip(where);
    this.#parts.onCanary();
  }

  #canaryRefusal(): Denied {
    const task = this.#parts.task() ?? 'TASK';
    const hint = `A person looks at \`terok egress log ${task}\`; \`terok egress resume ${task}\` lets the bottle go on.`;
    return deny('canary-seen', 'this bottle sent a token that nothing in it has a use for, so it may send nothing more', hint);
  }

  #note(finding: Finding, action: DataLossAction, where: Readonly<Record<string, string | number>>): void {
    const decision = action === 'log' || action === 'redact' ? 'allow' : 'deny';
    this.#parts.note({
      kind: 'data-loss',
      decision,
      ...where,
      reason: finding.kind === 'canary' ? 'canary-seen' : 'data-loss',
      detail: `${action}: ${describeFinding(finding)}`,
    });
  }
}

/** Where nothing can be masked, `redact` is `block`. */
function actionFor({ kind }: Finding, { dataLoss }: Route, canMask: boolean): DataLossAction {
  const action = kind === 'canary' ? 'block' : ((kind === 'secret' ? dataLoss?.secrets : dataLoss?.detectors) ?? 'block');
  return action === 'redact' && !canMask ? 'block' : action;
}

function lossRefusal(finding: Finding, reason: 'data-loss' | 'data-loss-refused', hint: string) {
  return deny(reason, `the request carries ${describeFinding(finding)}`, hint);
}
