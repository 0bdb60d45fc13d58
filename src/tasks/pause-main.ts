/* Runs when the gateway of a bottle saw its canary leave. argv: JSON with terok's directories and the task. The bottle is cut off already. */
import { bottleDirs, type TerokPaths } from '../core/index.ts';
import { networkCanaryMark } from '../sidecars/gateway/index.ts';
import { openBottle } from './bottle-life.ts';
import { contextAt } from './context.ts';

process.umask(0o077);
const { paths, slug } = JSON.parse(process.argv[2] ?? '') as { readonly paths: TerokPaths; readonly slug: string };
const context = contextAt(paths);
await using bottle = await openBottle(context, slug);
// a person may have let it go on meanwhile
if ((await networkCanaryMark(bottleDirs(paths, slug))) !== undefined) await bottle.pause();
