/*
 * Scope: when a route ends by itself. Out of scope: what is done about it. Fail-safe direction: whichever of the wall clock and the clock
 * of the boot is first ends the route, so that a wall clock that is set back does not lengthen it.
 */
import { readFileSync } from 'node:fs';
import type { Route } from './egress-policy.ts';

export interface Clock {
  /** Wall clock, `ms` since 1970 */
  readonly now: number;
  readonly boot: string;
  /** `ms` since that boot, sleep included; nobody can set it */
  readonly uptimeMs: number;
}

export function readClock(): Clock {
  const [seconds] = readFileSync('/proc/uptime', 'latin1').split(' ');
  return { now: Date.now(), boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(), uptimeMs: Number(seconds) * 1_000 };
}

/** The fields of a route that ends after so long. */
export function endAfter(ms: number, { now, boot, uptimeMs }: Clock = readClock()): Pick<Route, 'expiresAt' | 'bootEnd'> {
  return { expiresAt: new Date(now + ms).toISOString(), bootEnd: { boot, uptimeMs: Math.round(uptimeMs + ms) } };
}

/** Infinite for a route that does not end. */
export function msLeft({ expiresAt, bootEnd }: Route, { now, boot, uptimeMs }: Clock): number {
  const byWall = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) - now;
  return bootEnd?.boot === boot ? Math.min(byWall, bootEnd.uptimeMs - uptimeMs) : byWall;
}
