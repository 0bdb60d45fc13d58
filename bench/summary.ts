/** What every bench shares: the figures of a series, and what the machine was like meanwhile. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly min: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), min: at(0), max: at(1) };
}

/** Taken at the start of a bench; a load above the number of processors makes its times too long. */
export function describeMachine(): Readonly<Record<string, unknown>> {
  return {
    node: process.version,
    cpus: availableParallelism(),
    model: cpus()[0]?.model ?? 'unknown',
    memoryGiB: round(totalmem() / 2 ** 30),
    load: loadavg().map(round),
    date: new Date().toISOString(),
  };
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
