import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/** The hash before the first line. */
export const GENESIS = '0'.repeat(64);

export type AuditVerdict =
  | { readonly intact: true; readonly lines: number }
  | { readonly intact: false; readonly lines: number; readonly file: string; readonly line: number; readonly problem: string };

/** A line that a log must hold, kept elsewhere: without it a log whose last lines were cut off looks whole. */
export interface AuditAnchor {
  readonly sequence: number;
  /** SHA-256 of the line */
  readonly hash: string;
}

/** The last line of a log. */
export function anchorOf(file: string): AuditAnchor {
  const line = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  return { sequence: parseEntry(line)?.sequence ?? 0, hash: hash('sha256', line) };
}

/** Checks the chain over the file and the older ones beside it, oldest first, and that it holds the line of the anchor. */
export function verifyAuditLog(file: string, anchor?: AuditAnchor): AuditVerdict {
  let previous: string | undefined;
  let lines = 0;
  let isAnchored = anchor === undefined;
  for (const part of partsOf(file)) {
    let number = 0;
    const text = readFileSync(part, 'utf8');
    for (const line of text.split('\n').slice(0, -1)) {
      number += 1;
      const entry = parseEntry(line);
      const problem =
        entry === undefined
          ? 'is not a JSON object'
          : previous !== undefined && entry.previous !== previous
            ? 'does not follow from the line before it'
            : undefined;
      if (problem !== undefined) return { intact: false, lines, file: part, line: number, problem };
      if (previous === undefined && entry?.sequence === 1 && entry.previous !== GENESIS)
        return { intact: false, lines, file: part, line: number, problem: 'is not the first line of a log' };
      previous = hash('sha256', line);
      lines += 1;
      isAnchored ||= entry?.sequence === anchor?.sequence && previous === anchor?.hash;
    }
    if (!text.endsWith('\n') && text !== '') return { intact: false, lines, file: part, line: number + 1, problem: 'is torn' };
  }
  return isAnchored ? { intact: true, lines } : { intact: false, lines, file, line: lines + 1, problem: 'was there and is missing' };
}

function partsOf(file: string): readonly string[] {
  const older: string[] = [];
  for (let age = 1; existsSync(`${file}.${age}`); age += 1) older.unshift(`${file}.${age}`);
  return existsSync(file) ? [...older, file] : older;
}

/** The fields of a line that make the chain; undefined where the line is none. */
export function parseEntry(line: string): { readonly previous: string; readonly sequence: number } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('previous' in value) || !('sequence' in value)) return undefined;
    return typeof value.previous === 'string' && typeof value.sequence === 'number'
      ? { previous: value.previous, sequence: value.sequence }
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
