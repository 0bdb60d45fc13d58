/*
 * Runs when the gateway of a bottle saw its canary leave, apart from it. argv: JSON with terok's directories and the task. The bottle is
 * cut off already. Tries for some minutes; the last problem stands in the bottle's state, where `terok status` finds it.
 */
import retry from 'p-retry';
import { bottleDirs, messageOf, type TerokPaths } from '../core/index.ts';
import { networkCanaryMark, recordCanaryPaused, recordCanaryProblem } from '../sidecars/gateway/index.ts';
import { openBottle } from './bottle-life.ts';
import { contextAt } from './context.ts';

const TRIES = { retries: 10, minTimeout: 500, factor: 2, maxTimeout: 60_000 };

process.umask(0o077);
const { paths, slug } = JSON.parse(process.argv[2] ?? '') as { readonly paths: TerokPaths; readonly slug: string };
const context = contextAt(paths);
const dirs = bottleDirs(paths, slug);
await retry(pause, { ...TRIES, onFailedAttempt: ({ error }) => recordCanaryProblem(dirs, messageOf(error)) });

async function pause(): Promise<void> {
  // a person may have let it go on meanwhile
  if ((await networkCanaryMark(dirs)) === undefined) return;
  await using bottle = await openBottle(context, slug);
  if ((await bottle.status()) === 'running') await bottle.pause();
  await recordCanaryPaused(dirs);
}
