import { createHash } from 'node:crypto';

/**
 * One text for one value: keys of objects in the order of their code units, no spaces. Fields that are undefined are left out, as
 * in `JSON.stringify`. Two values with the same text are the same value.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

/** SHA-256 of the canonical text, in hexadecimal digits. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
