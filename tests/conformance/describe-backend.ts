import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Bottle, patient } from '../../src/core/index.ts';
import { CASES } from './cases/index.ts';
import { notInContract } from './cases/not-in-contract.ts';
import type { BackendUnderTest, ConformanceCase } from './support/case.ts';
import { shOutput } from './support/in-bottle.ts';
import { scaleNote } from './support/scale.ts';

export interface DescribeBackendOptions {
  readonly name: string;
  /** Makes the backend with all that it needs, or says why it cannot be used here */
  readonly setup: () => Promise<BackendUnderTest | { readonly unavailable: string }>;
  /** Cases that this backend does not pass, each with its reason */
  readonly skip: readonly { readonly test: string; readonly reason: string }[];
  /** All by default; with fewer, what the contract leaves open is not listed */
  readonly cases?: readonly ConformanceCase[];
  /** Variable that, set to `1`, makes an unavailable backend a failure */
  readonly requireEnv: string;
}

/** The behaviour that every backend shows: one named test for each row of the table, run through the contract alone. */
export function describeBackend({ name, setup, skip, requireEnv, cases = CASES }: DescribeBackendOptions): void {
  describe(name, () => {
    let ready: { under: BackendUnderTest; bottle: Bottle } | { unavailable: string };
    const skipped: string[] = [];

    beforeAll(async () => {
      const under = await setup();
      if ('unavailable' in under && process.env[requireEnv] === '1')
        throw new Error(`${requireEnv}=1, but ${name} is unavailable: ${under.unavailable}`);
      if (scaleNote() !== undefined) console.log(`${name}: ${scaleNote()}`);
      ready = 'unavailable' in under ? under : { under, bottle: await under.launch() };
    }, patient(300_000));

    afterAll(async () => {
      if (skipped.length > 0) console.log(`${name}: ${skipped.length} skipped\n${skipped.map((line) => `  ${line}`).join('\n')}`);
      if (ready !== undefined && 'under' in ready) await ready.under.cleanup();
    });

    for (const one of cases) {
      test(`${one.id} ${one.title}`, { timeout: patient(one.timeoutMs ?? 60_000) }, async (context) => {
        const end = (reason: string): never => {
          skipped.push(`${one.id} ${reason}`);
          return context.skip(reason);
        };
        const given = skip.find((entry) => entry.test === one.id);
        if (given !== undefined) return end(given.reason);
        if ('unavailable' in ready) return end(ready.unavailable);
        const reason = one.unless?.(ready.under.backend);
        if (reason !== undefined) return end(reason);
        await runCase(one, { ...ready, skip: end });
      });
    }

    for (const { id, title, reason } of cases === CASES ? notInContract : []) {
      test(`${id} ${title}`, (context) => {
        skipped.push(`${id} ${reason}`);
        context.skip(reason);
      });
    }
  });
}

async function runCase(
  one: ConformanceCase,
  inputs: { under: BackendUnderTest; bottle: Bottle; skip: (reason: string) => never },
): Promise<void> {
  const works: (() => unknown)[] = [];
  const scratch = await shOutput(inputs.bottle, 'mktemp -d');
  try {
    await one.run({ ...inputs, scratch, atEnd: (work) => works.push(work) });
  } finally {
    for (const work of works.reverse()) await work();
    await shOutput(inputs.bottle, 'chmod -R u+rwX "$0" && rm -rf "$0"', [scratch]);
  }
}

/** A slug that no other run uses. */
export function freshSlug(): string {
  return `conf-${randomBytes(5).toString('hex')}`;
}
