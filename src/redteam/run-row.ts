import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, patient } from '../core/index.ts';
import type { RedBench } from './bench/index.ts';
import type { Row } from './row.ts';
import type { RowResult } from './scorecard.ts';
import { type Judgement, Trial } from './trial.ts';

/** A row makes a bottle or two and asks some dozen questions; the slowest wait for a time limit. */
const ROW_TIMEOUT_MS = 180_000;
/** A bottle that is being made when the row is stopped is taken apart again. */
const UNWIND_MS = 30_000;

/** Runs one row to its verdict. Rejects only when the bench was asked to stop. */
export async function runRow<Bench extends RedBench>(row: Row<Bench>, bench: Bench): Promise<RowResult> {
  const { id, title, claim, attack, defence, control, run } = row;
  const begin = performance.now();
  const trial = new Trial();
  bench.reset();
  const failure = typeof run === 'function' ? await failureOf(() => run(trial, bench), bench.signal) : undefined;
  bench.signal.throwIfAborted();
  return {
    id,
    title,
    claim,
    attack,
    defence,
    control,
    ...(typeof run === 'function' ? judge(trial, failure) : { verdict: 'out of scope', reason: run.outOfScope }),
    failed: failure !== undefined,
    observations: trial.observations,
    durationMs: Math.round(performance.now() - begin),
  };
}

function judge(trial: Trial, failure: string | undefined): Judgement {
  const judgement = trial.judge();
  if (failure === undefined || judgement.verdict === 'broken') return judgement;
  return { verdict: 'not proven', reason: `the row itself failed: ${failure}` };
}

/** What went wrong; waits for the row's own work to unwind, because what it makes is removed next. */
async function failureOf(work: () => Promise<void>, signal: AbortSignal): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(patient(ROW_TIMEOUT_MS));
  const stop = AbortSignal.any([signal, timeout]);
  const settled = work().then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  const stopped = await Promise.race([settled.then(() => false), once(stop)]);
  if (!stopped) return await settled;
  await Promise.race([settled, delay(UNWIND_MS, undefined, { ref: false })]);
  return timeout.aborted ? `it took longer than ${patient(ROW_TIMEOUT_MS) / 1000} s` : 'it was stopped';
}

function once(signal: AbortSignal): Promise<true> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(true);
    else signal.addEventListener('abort', () => resolve(true), { once: true });
  });
}
