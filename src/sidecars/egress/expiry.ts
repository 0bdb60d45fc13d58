/*
 * Scope: routes that end by themselves. Decisions leave an ended route out at once; this cuts what is still open because of it. Out of
 * scope: grants themselves. Fail-safe direction: whichever of wall clock and steady clock is first ends the route, so that a clock that
 * is set back does not lengthen it.
 */
import type { EgressPolicy } from '../../core/egress-policy.ts';

/** A wall clock that is set forward is noticed within this time. */
const LOOK_AGAIN_MS = 5_000;

/** The policy without routes that have ended. */
export function withoutEnded(policy: EgressPolicy, now: number = Date.now()): EgressPolicy {
  const routes = policy.routes.filter(({ expiresAt }) => expiresAt === undefined || now < Date.parse(expiresAt));
  return routes.length === policy.routes.length ? policy : { ...policy, routes };
}

/** Calls back when a route of the policy that was given last ends, with the time that it is then. */
export class RouteExpiry {
  readonly #onEnd: (now: number) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onEnd: (now: number) => void) {
    this.#onEnd = onEnd;
  }

  watch(policy: EgressPolicy): void {
    clearTimeout(this.#timer);
    const ends = policy.routes.flatMap(({ expiresAt }) => (expiresAt === undefined ? [] : [Date.parse(expiresAt)]));
    if (ends.length === 0) return;
    const end = Math.min(...ends);
    this.#look(end, performance.now() + (end - Date.now()));
  }

  #look(end: number, steadyEnd: number): void {
    const left = Math.min(end - Date.now(), steadyEnd - performance.now());
    if (left <= 0) return this.#onEnd(Math.max(Date.now(), end));
    this.#timer = setTimeout(() => this.#look(end, steadyEnd), Math.min(left, LOOK_AGAIN_MS));
    this.#timer.unref();
  }
}
