import type { EgressPolicy } from '../../core/egress-policy.ts';
import { type Clock, msLeft, readClock } from '../../core/route-end.ts';

/** A wall clock that is set forward is noticed within this time. */
const LOOK_AGAIN_MS = 5_000;

/** Calls back when a route of the policy that was given last ends; cuts what is open because of it, which no decision does. */
export class RouteExpiry {
  readonly #onEnd: () => void;
  readonly #clock: () => Clock;
  #timer: NodeJS.Timeout | undefined;

  constructor(onEnd: () => void, clock: () => Clock = readClock) {
    this.#onEnd = onEnd;
    this.#clock = clock;
  }

  watch({ routes }: EgressPolicy): void {
    clearTimeout(this.#timer);
    if (routes.some(({ expiresAt }) => expiresAt !== undefined)) this.#look(routes);
  }

  #look(routes: EgressPolicy['routes']): void {
    const clock = this.#clock();
    const left = Math.min(...routes.map((route) => msLeft(route, clock)));
    if (left <= 0) return this.#onEnd();
    this.#timer = setTimeout(() => this.#look(routes), Math.min(left, LOOK_AGAIN_MS));
    this.#timer.unref();
  }
}
