import { TerokError } from '../core/index.ts';
import { SCRIPT_VARIABLE } from './seeds.ts';
import { MAX_DIRECT_BYTES, splitScript } from './shell-command.ts';

/** Programs in pieces: more than this is more than Linux takes at once */
const MAX_SCRIPT_BYTES = 1_900_000;

/** A shell program as what fits into one argument, and the variables that carry the rest. */
export function packScript(script: string): { readonly command: string; readonly variables: Record<string, string> } {
  const bytes = Buffer.byteLength(script);
  if (bytes <= MAX_DIRECT_BYTES) return { command: script, variables: {} };
  if (bytes > MAX_SCRIPT_BYTES)
    throw new TerokError('USAGE', `A command with its environment has at most ${MAX_SCRIPT_BYTES} bytes when quoted; got ${bytes}.`);
  const pieces = splitScript(script).map((piece, index) => [`${SCRIPT_VARIABLE}${index}`, piece] as const);
  const names = pieces.map(([name]) => name);
  return { command: `eval "unset ${names.join(' ')};${names.map((name) => `$${name}`).join('')}"`, variables: Object.fromEntries(pieces) };
}
