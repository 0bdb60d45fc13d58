/*
 * Scope: how much one bottle has done through each route that has a budget. Out of scope: whether the route allows it (`decide.ts`).
 * Fail-safe direction: what is used is on disk before it is used, in steps, so that a gateway that is killed may forget what was left of
 * a step but never what was spent; a count that cannot be kept is a refusal.
 */
import type { Route, RouteBudget } from '../../core/egress-policy.ts';
import { messageOf } from '../../core/errors.ts';
import { BudgetFile, type Spent } from './budget-file.ts';
import { type Denied, deny } from './decide.ts';
import { MinuteCounter } from './minute-counter.ts';

type Total = keyof Spent;

/** Counts the bytes of one exchange; undefined while the budget lasts. */
export interface RouteMeter {
  readonly up: (bytes: number) => Denied | undefined;
  readonly down: (bytes: number) => Denied | undefined;
}

const NOTHING: Spent = { requests: 0, bytesUp: 0, bytesDown: 0 };
/** A budget is written to disk at most this many times as it is used up. */
const STEPS = 64;
const MIN_STEP = { requests: 1, bytesUp: 16_384, bytesDown: 16_384 } as const satisfies Record<Total, number>;

const WORDS = { requests: 'requests', bytesUp: 'bytes to the server', bytesDown: 'bytes from the server' } as const satisfies Record<
  Total,
  string
>;

export class Budgets {
  readonly #file: BudgetFile;
  readonly #used = new Map<string, Spent>();
  readonly #minutes = new Map<string, MinuteCounter>();
  readonly #now: () => number;

  /** @param file where the totals lie; in memory alone where absent. Throws STATE_CORRUPT. */
  constructor(file?: string, now: () => number = () => performance.now()) {
    this.#file = new BudgetFile(file);
    this.#now = now;
    for (const [name, spent] of this.#file.reserved) this.#used.set(name, spent);
  }

  /** Counts a request or connection, unless the budget of its route is spent. */
  admit(route: Route): Denied | undefined {
    const { budget } = route;
    if (budget === undefined) return undefined;
    const perMinute = budget.requestsPerMinute;
    if (perMinute !== undefined && !this.#minuteOf(route.name).take(perMinute, this.#now()))
      return deny(
        'rate-exceeded',
        `the route \`${route.name}\` allows ${perMinute} requests in a minute`,
        'Wait a minute, then try again.',
      );
    for (const total of ['bytesUp', 'bytesDown'] as const) {
      const limit = budget[total];
      if (limit !== undefined && this.#usedOf(route.name)[total] >= limit) return spent(route.name, total, limit);
    }
    return this.#add(route.name, budget, 'requests', 1);
  }

  /** Undefined where the route limits no bytes. */
  meter({ name, budget }: Route): RouteMeter | undefined {
    if (budget?.bytesUp === undefined && budget?.bytesDown === undefined) return undefined;
    return {
      up: (bytes) => this.#add(name, budget, 'bytesUp', bytes),
      down: (bytes) => this.#add(name, budget, 'bytesDown', bytes),
    };
  }

  /** Writes what was really used. */
  close(): void {
    this.#file.settle(this.#used);
  }

  #add(name: string, budget: RouteBudget, total: Total, count: number): Denied | undefined {
    const limit = budget[total];
    if (limit === undefined) return undefined;
    const used = this.#usedOf(name);
    const next = used[total] + count;
    if (next > limit) {
      // Bytes that did not pass are spent all the same: what comes in pieces must not go on trying
      if (total !== 'requests') this.#used.set(name, { ...used, [total]: limit });
      return spent(name, total, limit);
    }
    const problem = this.#reserve(name, total, { next, step: Math.max(MIN_STEP[total], Math.ceil(limit / STEPS)), limit });
    if (problem === undefined) this.#used.set(name, { ...used, [total]: next });
    return problem;
  }

  #reserve(name: string, total: Total, { next, step, limit }: { readonly next: number; readonly step: number; readonly limit: number }) {
    const reserved = this.#file.reserved.get(name) ?? NOTHING;
    if (next <= reserved[total]) return undefined;
    try {
      this.#file.reserve(name, { ...reserved, [total]: Math.min(limit, next - 1 + step) });
      return undefined;
    } catch (error) {
      const hint = 'A person frees some space on the host; `terok doctor` says more.';
      return { ...deny('audit-unavailable', 'the host cannot keep the count of this budget', hint), detail: messageOf(error) };
    }
  }

  #usedOf(name: string): Spent {
    return this.#used.get(name) ?? NOTHING;
  }

  #minuteOf(name: string): MinuteCounter {
    const counter = this.#minutes.get(name) ?? new MinuteCounter();
    this.#minutes.set(name, counter);
    return counter;
  }
}

function spent(name: string, total: Total, limit: number): Denied {
  const message = `the route \`${name}\` allows ${limit} ${WORDS[total]} to this bottle, and they are spent`;
  return deny('budget-spent', message, `A person raises \`budget.${total}\` of the route \`${name}\` on the host.`);
}
