import { describe, expect, it } from 'vitest';
import { pinned } from '../../../src/images/pins.ts';
import { temporaryPaths } from '../../support/temporary-paths.ts';

const DAY = 24 * 60 * 60_000;

describe('pinned', () => {
  it('resolves once, again when old, again on demand', async () => {
    await using temporary = await temporaryPaths();
    let count = 0;
    const ask = (now: number, refresh = false) =>
      pinned(temporary.paths, 'npm:x@latest', async () => `1.0.${count++}`, { maxAgeMs: 7 * DAY, refresh, now: () => now });
    expect(await ask(0)).toBe('1.0.0');
    expect(await ask(6 * DAY)).toBe('1.0.0');
    expect(await ask(8 * DAY)).toBe('1.0.1');
    expect(await ask(8 * DAY, true)).toBe('1.0.2');
    expect(await ask(9 * DAY)).toBe('1.0.2');
  });

  it('keeps an old pin when nothing can be resolved, and says so', async () => {
    await using temporary = await temporaryPaths();
    const options = { maxAgeMs: DAY, refresh: false };
    await pinned(temporary.paths, 'x', async () => '1.0.0', { ...options, now: () => 0 });
    const offline = () => Promise.reject(new Error('offline'));
    const complaints: unknown[] = [];
    expect(
      await pinned(temporary.paths, 'x', offline, { ...options, now: () => 2 * DAY, onStale: (error) => complaints.push(error) }),
    ).toBe('1.0.0');
    expect(complaints).toHaveLength(1);
    await expect(pinned(temporary.paths, 'x', offline, { ...options, refresh: true })).rejects.toThrow('offline');
    await expect(pinned(temporary.paths, 'y', offline, options)).rejects.toThrow('offline');
  });

  it('gives all that resolve at once the same version', async () => {
    await using temporary = await temporaryPaths();
    let count = 0;
    const values = await Promise.all(
      Array.from({ length: 8 }, () => pinned(temporary.paths, 'x', async () => `1.0.${count++}`, { refresh: false, now: () => 5 })),
    );
    expect(new Set(values).size).toBe(1);
  });
});
