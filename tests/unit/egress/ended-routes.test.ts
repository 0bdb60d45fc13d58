import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Clock, endAfter, type Route, readClock } from '../../../src/core/index.ts';
import { EndedRoutes, RouteExpiry } from '../../../src/sidecars/egress/index.ts';

const NOON = Date.parse('2026-06-01T12:00:00.000Z');
const HOUR = 3_600_000;
const plain: Route = { name: 'plain', hosts: ['a.example'], ports: [443], mode: 'inspect' };

let dir = '';
let file = '';
let clock: Clock;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-ended-'));
  file = path.join(dir, 'ended.json');
  clock = { now: NOON, boot: 'one', uptimeMs: 5_000 };
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const granted = (ms: number): Route => ({ ...plain, name: 'timed', ...endAfter(ms, clock) });
const pass = (ms: number): void => {
  clock = { ...clock, now: clock.now + ms, uptimeMs: clock.uptimeMs + ms };
};
const names = (route: Route): string[] =>
  new EndedRoutes(file, () => clock).without({ version: 1, routes: [plain, route] }).routes.map(({ name }) => name);

describe('a timed grant', () => {
  test('is open until its time has passed', () => {
    const route = granted(HOUR);
    pass(HOUR - 1);
    expect(names(route)).toEqual(['plain', 'timed']);
    pass(1);
    expect(names(route)).toEqual(['plain']);
  });

  test('does not last longer where the wall clock is set back', () => {
    const route = granted(HOUR);
    clock = { ...clock, now: NOON - 24 * HOUR };
    pass(HOUR - 1);
    expect(names(route)).toContain('timed');
    pass(1);
    expect(names(route)).not.toContain('timed');
    // By the wall clock alone it would be open
    const { bootEnd: _, ...byWall } = route;
    expect(names(byWall)).toContain('timed');
  });

  test('that was seen ended stays so, also after a reboot with a clock that is wrong', () => {
    const route = granted(HOUR);
    const reboot = (): void => {
      clock = { now: NOON - 24 * HOUR, boot: 'two', uptimeMs: 1_000 };
    };
    reboot();
    expect(names(route)).toContain('timed');
    clock = { now: NOON + HOUR, boot: 'one', uptimeMs: 5_000 + HOUR };
    const seen = new EndedRoutes(file, () => clock);
    expect(seen.isOpen(route)).toBe(false);
    seen.save();
    reboot();
    expect(names({ ...route, name: 'timed-2' })).not.toContain('timed-2');
    expect(names(granted(HOUR))).toContain('timed');
  });

  test('keeps what another process saw ended meanwhile', () => {
    const [first, second] = [granted(1), granted(2)];
    pass(5);
    const [one, two] = [new EndedRoutes(file, () => clock), new EndedRoutes(file, () => clock)];
    one.isOpen(first);
    two.isOpen(second);
    one.save();
    two.save();
    clock = { now: NOON, boot: 'two', uptimeMs: 0 };
    expect([first, second].flatMap(names)).toEqual(['plain', 'plain']);
  });

  test('is not opened where the record cannot be read', () => {
    for (const text of ['{', '[]', '{"version":1,"ended":[1]}', 'null']) {
      writeFileSync(file, text);
      expect(() => new EndedRoutes(file)).toThrow(/does not hold what terok wrote there/);
    }
  });
});

describe('RouteExpiry', () => {
  test('calls when the time has passed by the clock of the boot, whatever the wall clock says', async () => {
    const onEnd = vi.fn();
    const route = { ...plain, ...endAfter(30, readClock()), expiresAt: new Date(Date.now() + HOUR).toISOString() };
    new RouteExpiry(onEnd).watch({ version: 1, routes: [plain, route] });
    expect(onEnd).not.toHaveBeenCalled();
    await expect.poll(() => onEnd.mock.calls.length, { timeout: 5_000 }).toBe(1);
  });
});
