import { expect, test } from 'vitest';
import { formatAge, formatBytes, parseCount, parseDuration, parseSize } from '../../../src/cli/quantities.ts';

test.each([
  ['512M', 512],
  ['4g', 4096],
  ['1.5GiB', 1536],
  ['1T', 1_048_576],
])('memory %s is %d MiB', (text, mib) => {
  expect(parseSize(text, '--memory')).toBe(mib);
});

test.each(['', '4', '0G', '10M', '-1G', '1e9G', '4GX', 'G'])('memory %j is refused', (text) => {
  expect(() => parseSize(text, '--memory')).toThrow(/--memory/);
});

test('durations need a unit and fit into a timer', () => {
  expect([parseDuration('90s'), parseDuration('30m'), parseDuration('2h')]).toEqual([90_000, 1_800_000, 7_200_000]);
  for (const text of ['', '5', '0s', '1000h', '1d', '-1s']) expect(() => parseDuration(text)).toThrow(/--timeout/);
});

test('counts are positive', () => {
  expect(parseCount('--cpus', '0.5', false)).toBe(0.5);
  for (const text of ['0', '-1', '1.5', 'x', '', '1e3', '0x10']) expect(() => parseCount('--pids', text, true)).toThrow(/--pids/);
});

test('sizes and ages are short', () => {
  expect([0, 1023, 1024, 3_565_158].map(formatBytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '3.4 MiB']);
  const now = Date.parse('2026-01-02T00:00:00Z');
  expect(
    ['2026-01-01T23:59:50Z', '2026-01-01T23:30:00Z', '2026-01-01T12:00:00Z', '2025-12-01T00:00:00Z', 'never'].map((iso) =>
      formatAge(iso, now),
    ),
  ).toEqual(['now', '30 min ago', '12 h ago', '32 days ago', 'never']);
});
