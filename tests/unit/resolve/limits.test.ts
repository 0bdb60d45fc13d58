import { expect, test } from 'vitest';
import { hostResources, parseMemoryMiB, resolveLimits } from '../../../src/core/resolve/index.ts';

const host = { memoryMiB: 16_000, cpus: 8 };

test('limits are on by default', () => {
  expect(resolveLimits({}, host)).toEqual({ memoryMiB: 4096, cpus: 8, pids: 2048, files: 65_536 });
});

test('a bottle is never promised more than the host has', () => {
  expect(resolveLimits({}, { memoryMiB: 2000, cpus: 1 })).toMatchObject({ memoryMiB: 2000, cpus: 1 });
  expect(resolveLimits({ memoryMiB: 99_999, cpus: 64 }, host)).toMatchObject({ memoryMiB: 16_000, cpus: 8 });
  expect(resolveLimits({ memoryMiB: 512, cpus: 1.5, pids: 100, files: 1024 }, host)).toEqual({
    memoryMiB: 512,
    cpus: 1.5,
    pids: 100,
    files: 1024,
  });
});

test('this machine has memory and processors', () => {
  expect(hostResources().memoryMiB).toBeGreaterThan(64);
  expect(hostResources().cpus).toBeGreaterThanOrEqual(1);
});

test.each([{ memoryMiB: 1 }, { memoryMiB: Number.NaN }, { cpus: 0 }, { pids: -1 }, { pids: 20.5 }, { files: Number.POSITIVE_INFINITY }])(
  '%j is refused',
  (wish) => {
    expect(() => resolveLimits(wish, host)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  },
);

test.each([
  ['4g', 4096],
  ['512m', 512],
  ['512M', 512],
  ['1.5GiB', 1536],
  ['2 gb', 2048],
  ['1t', 1_048_576],
  ['131072k', 128],
])('%s is %d MiB', (text, value) => {
  expect(parseMemoryMiB(text)).toBe(value);
});

test.each(['', '4', '4x', '-4g', '4gg', 'g', '1e3m', '1m', '0x10m', '4g; rm'])('%j is refused', (text) => {
  expect(() => parseMemoryMiB(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});
