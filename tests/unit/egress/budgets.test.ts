import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Route, RouteBudget } from '../../../src/core/index.ts';
import { Budgets } from '../../../src/sidecars/egress/budgets.ts';
import { MinuteCounter } from '../../../src/sidecars/egress/minute-counter.ts';

let dir = '';
let file = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-budgets-'));
  file = path.join(dir, 'budgets.json');
});
afterEach(async () => await rm(dir, { recursive: true, force: true }));

const route = (budget: RouteBudget, name = 'api'): Route => ({ name, hosts: ['a.example'], ports: [443], mode: 'inspect', budget });

test('whenever the gateway is killed, no more passes than the budget, and little less', () => {
  const limit = 1_000_000;
  const step = Math.ceil(limit / 64);
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 40_000 }), fc.constant('kill' as const)), { maxLength: 80 }), (events) => {
      const own = path.join(dir, `${Math.random()}.json`);
      let budgets = new Budgets(own);
      let passed = 0;
      let kills = 0;
      for (const event of events) {
        if (event === 'kill') {
          budgets = new Budgets(own);
          kills += 1;
        } else if (budgets.meter(route({ bytesUp: limit }))?.up(event) === undefined) passed += event;
        else {
          // Refused early only by what the kills may have cost, and the chunk itself
          expect(passed).toBeGreaterThanOrEqual(limit - event - kills * step - 40_000);
          return;
        }
        expect(passed).toBeLessThanOrEqual(limit);
      }
    }),
    { numRuns: 150 },
  );
});

test('a clean end gives back what was only reserved', () => {
  const first = new Budgets(file);
  for (let count = 0; count < 10; count += 1) expect(first.admit(route({ requests: 6_400 }))).toBeUndefined();
  first.close();
  const second = new Budgets(file);
  for (let count = 10; count < 6_400; count += 1) expect(second.admit(route({ requests: 6_400 }))).toBeUndefined();
  expect(second.admit(route({ requests: 6_400 }))).toMatchObject({ reason: 'budget-spent' });
});

test('routes have budgets of their own, and a raised budget goes on from what was spent', () => {
  const budgets = new Budgets(file);
  expect(budgets.admit(route({ requests: 1 }))).toBeUndefined();
  expect(budgets.admit(route({ requests: 1 }))).toMatchObject({ reason: 'budget-spent' });
  expect(budgets.admit(route({ requests: 1 }, 'other'))).toBeUndefined();
  expect(budgets.admit(route({ requests: 2 }))).toBeUndefined();
  expect(budgets.admit(route({ requests: 2 }))).toMatchObject({ reason: 'budget-spent' });
});

test('a count that cannot be kept is a refusal, and a damaged one stops the start', () => {
  mkdirSync(file);
  expect(() => new Budgets(file)).toThrow();
  const unwritable = new Budgets(path.join(dir, 'missing', 'budgets.json'));
  expect(unwritable.admit(route({ requests: 5 }))).toMatchObject({ allow: false, reason: 'audit-unavailable' });
  const damaged = path.join(dir, 'damaged.json');
  for (const text of ['{', '{"version":1,"routes":{"api":{"requests":-1,"bytesUp":0,"bytesDown":0}}}', '{"version":2,"routes":{}}', '[]']) {
    writeFileSync(damaged, text);
    expect(() => new Budgets(damaged)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }));
  }
});

test('in no minute are more than the limit', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 120 }), fc.integer({ min: 1, max: 10 }), (gaps, limit) => {
      const counter = new MinuteCounter();
      const taken: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap;
        const free = taken.filter((at) => now - at < 62_000).length < limit;
        if (counter.take(limit, now)) taken.push(now);
        else expect(free).toBe(false);
        expect(taken.filter((at) => now - at < 60_000).length).toBeLessThanOrEqual(limit);
      }
    }),
  );
});
