import { messageOf, type TerokError } from '../../core/errors.ts';
import { escapeLines } from '../escape.ts';
import type { Output } from '../terminal/output.ts';

/** How deep a chain of causes is printed; a cycle must not hang the report. */
const MAX_CAUSES = 10;

export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string; readonly exitStatus: number };
}

/** The shape of every error with `--json`. */
export function errorDocument(error: TerokError): ErrorDocument {
  const { code, message, hint, exitStatus } = error;
  return { error: { code, message, ...(hint === undefined ? {} : { hint }), exitStatus } };
}

/** Message, hint and code; with `debug`, the causes and their stacks. */
export function renderError(error: TerokError, output: Output, debug: boolean): string {
  const lines = [
    `${output.paint('red', 'error:', output.stderr)} ${escapeLines(error.message)}`,
    ...(error.hint === undefined ? [] : [`${output.paint('cyan', 'hint:', output.stderr)} ${escapeLines(error.hint)}`]),
    output.paint('dim', `code: ${error.code} (exit status ${error.exitStatus})`, output.stderr),
    ...(debug ? debugLines(error) : []),
  ];
  return `${lines.join('\n')}\n`;
}

function debugLines(error: TerokError): string[] {
  const lines = [`context: ${escapeLines(JSON.stringify(error.context))}`, stackOf(error)];
  let cause = error.cause;
  for (let depth = 0; cause !== undefined && depth < MAX_CAUSES; depth += 1) {
    lines.push(`caused by: ${stackOf(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

function stackOf(error: unknown): string {
  return escapeLines(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
}
