import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import type { Document, LineCounter, Node } from 'yaml';
import type { z } from 'zod';
import { TerokError } from '../errors.ts';

/** A configuration file is written by hand; anything above this is a mistake or an attack on the parser. */
export const MAX_CONFIG_BYTES = 256 * 1024;

/** Aliases can make a small text expand into a huge value; a handful is all that a hand-written file uses. */
const MAX_ALIASES = 50;

/** Loaded with the first file that exists: it has 72 modules, and most directories have no configuration. */
const yaml = (): typeof Yaml => createRequire(import.meta.url)('yaml') as typeof Yaml;

/**
 * Parses YAML and checks it. Every error is INVALID_CONFIG and gives file, line, column, the rule and the value that broke it.
 * An empty file is the empty mapping.
 */
export function parseConfig<T>(text: string, file: string, schema: z.ZodType<T>): T {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) {
    throw new TerokError(
      'INVALID_CONFIG',
      `\`${file}\` is larger than the ${MAX_CONFIG_BYTES / 1024} KiB that a configuration file may have.`,
      {
        context: { file },
      },
    );
  }
  const lines = new (yaml().LineCounter)();
  const document = yaml().parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw invalid(file, lines.linePos(syntaxError.pos[0]), `not valid YAML: ${syntaxError.message}`);
  const parsed = schema.safeParse(toPlain(document, file) ?? {});
  if (parsed.success) return parsed.data;
  const [first, ...others] = parsed.error.issues;
  if (first === undefined) throw parsed.error;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw invalid(file, position(document, lines, first), `${describeIssue(document, first)}${more}`);
}

function toPlain(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw invalid(file, { line: 1, col: 1 }, `at most ${MAX_ALIASES} aliases may be used`, error);
  }
}

interface Position {
  readonly line: number;
  readonly col: number;
}

function invalid(file: string, at: Position, what: string, cause?: unknown): TerokError {
  return new TerokError('INVALID_CONFIG', `\`${file}\`, line ${at.line}, column ${at.col}: ${what}.`, {
    context: { file, line: at.line, column: at.col },
    hint: 'Correct the file; `terok config show` lists what is in effect.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function describeIssue(document: Document, issue: z.core.$ZodIssue): string {
  const where = issue.path.length === 0 ? 'the file' : `\`${issue.path.join('.')}\``;
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    return `${issue.path.length === 0 ? '' : `${where}: `}unknown setting \`${key}\``;
  }
  const rule = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return `${where}: ${rule.replace(/\.$/, '')}${seen(document, issue)}`;
}

/** The value that broke the rule; never one of the environment or of a credential, where a person may have put a secret. */
function seen(document: Document, issue: z.core.$ZodIssue): string {
  if (issue.path[0] === 'env' || issue.path.includes('inject') || issue.code === 'invalid_key') return '';
  // A name that stands for a mapping has no such part itself
  const node = nodeAt(document, issue.path) ?? nodeAt(document, issue.path.slice(0, -1));
  if (!yaml().isScalar(node)) return '';
  const text = JSON.stringify(node.value) ?? 'nothing';
  return `; got ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`;
}

function position(document: Document, lines: LineCounter, issue: z.core.$ZodIssue): Position {
  const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const offset = key === undefined ? offsetOf(document, issue.path) : keyOffset(nodeAt(document, issue.path), key);
  return lines.linePos(offset ?? 0);
}

/** Where the value is, or where the deepest thing above it is when the value is missing. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const node = nodeAt(document, path.slice(0, depth));
    if (node?.range) return node.range[0];
  }
  return undefined;
}

function nodeAt(document: Document, path: readonly PropertyKey[]): Node | undefined {
  const found: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return found === null || found === undefined ? undefined : (found as Node);
}

function keyOffset(map: Node | undefined, key: string): number | undefined {
  const { isMap, isScalar } = yaml();
  if (!isMap(map)) return undefined;
  const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}
