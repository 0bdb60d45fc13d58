/*
 * Runs when the gate of an `online` project took a push. argv: JSON with terok's directories and the task. Standard input: the lines of
 * the post-receive hook. What it prints on standard error is seen by the one who pushed. The push stands, whatever happens here.
 */
import { text } from 'node:stream/consumers';
import { isTerokError, type TerokPaths } from '../core/index.ts';
import { contextAt } from './context.ts';
import { forwardPush } from './forward-push.ts';

process.umask(0o077);
const { paths, slug } = JSON.parse(process.argv[2] ?? '') as { readonly paths: TerokPaths; readonly slug: string };
try {
  for (const line of await forwardPush(contextAt(paths), slug, await text(process.stdin))) process.stderr.write(`terok: ${line}\n`);
} catch (error) {
  const hint = isTerokError(error) && error.code === 'GIT_FAILED' ? ` ${error.message}` : '';
  process.stderr.write(`terok: the push is in the gate, and was not forwarded.${hint}\n`);
  process.exitCode = 1;
}
