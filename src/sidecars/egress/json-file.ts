/*
 * Scope: small state of one gateway in a JSON file, read and replaced within one turn, because a decision waits for it.
 * Out of scope: two writers; a later one wins. Fail-safe direction: a file that is there and cannot be read is an error.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { systemCodeOf, TerokError } from '../../core/errors.ts';
import { parseJson } from '../../core/parse-json.ts';

/**
 * What `parse` makes of the file; undefined where there is none.
 *
 * @param parse gives undefined for what is not of its form
 * @throws STATE_CORRUPT with the hint
 */
export function readJsonFile<T>(
  file: string,
  parse: (value: Readonly<Record<string, unknown>>) => T | undefined,
  hint: string,
): T | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  const parsed = parse(Object(parseJson(text)) as Readonly<Record<string, unknown>>);
  if (parsed !== undefined) return parsed;
  throw new TerokError('STATE_CORRUPT', `\`${file}\` does not hold what terok wrote there.`, { context: { file }, hint });
}

/** In one step. `flush`: it outlives a loss of power; throws where it cannot be written, and the file is as before then. */
export function replaceJsonFile(file: string, value: object, { flush }: { readonly flush: boolean }): void {
  const staged = `${file}.${process.pid}`;
  writeFileSync(staged, JSON.stringify(value), { mode: 0o600, flush });
  renameSync(staged, file);
}

/** Undefined for any other value. */
export function asStrings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((each): each is string => typeof each === 'string') ? value : undefined;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
