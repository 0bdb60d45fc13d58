import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../../src/sidecars/egress/index.ts';
import { DenialLog } from '../../../src/sidecars/gateway/denial-log.ts';
import { TokenBucket } from '../../../src/sidecars/gateway/token-bucket.ts';

const denial = (target: string) => ({ kind: 'dns', target, reason: 'no route' }) as const;

describe('DenialLog', () => {
  it('writes a repeated denial once a minute and counts the others', () => {
    const events: AuditEvent[] = [];
    let now = 0;
    const log = new DenialLog({ record: (event) => void events.push(event) }, () => now);
    for (let index = 0; index < 10; index += 1) log.deny(denial('a'));
    now = 60_000;
    log.deny(denial('a'));
    expect(events).toEqual([
      { ...denial('a'), decision: 'deny' },
      { ...denial('a'), decision: 'deny', suppressedBefore: 9 },
    ]);
  });

  it('writes a flood of different denials at a bounded rate', () => {
    const events: AuditEvent[] = [];
    const log = new DenialLog({ record: (event) => void events.push(event) }, () => 0);
    for (let index = 0; index < 10_000; index += 1) log.deny(denial(`n${index}`));
    expect(events).toHaveLength(100);
  });

  it('lives on when the log cannot be written', () => {
    const events: AuditEvent[] = [];
    let full = true;
    const log = new DenialLog({
      record: (event) => {
        if (full) throw new Error('No space left');
        events.push(event);
      },
    });
    log.deny(denial('a'));
    full = false;
    log.deny(denial('b'));
    expect(events).toEqual([{ ...denial('b'), decision: 'deny', suppressedBefore: 1 }]);
  });
});

describe('TokenBucket', () => {
  it('gives a burst at once and then as many as time brings', () => {
    let now = 0;
    const bucket = new TokenBucket(10, 3, () => now);
    expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false]);
    now = 100;
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    now = 1_000_000;
    expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false]);
  });
});
