import { patient } from '../../../src/core/index.ts';

/** `TEROK_TEST_SIZE_DIVISOR=64` makes the largest files and numbers of the suite that much smaller; printed with the results. */
const divisor = Number(process.env.TEROK_TEST_SIZE_DIVISOR ?? 1);

/** A large number of bytes or files as this run takes it. */
export function sized(amount: number): number {
  return Math.ceil(amount / divisor);
}

/** What this run scales, for people; undefined where everything is as written. */
export function scaleNote(): string | undefined {
  const patience = patient(1);
  return divisor === 1 && patience === 1 ? undefined : `sizes divided by ${divisor}, times multiplied by ${patience}`;
}
