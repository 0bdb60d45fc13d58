/** Reading JSON of unknown shape without trusting it. */

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object that a text holds; an empty text is an empty object. Throws where it holds no object. */
export function parseRecord(text: string): JsonRecord {
  if (text.trim() === '') return {};
  const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
  if (isRecord(value)) return value;
  throw new Error('it is no JSON object');
}

/** The entries of a field that is an object, otherwise none. */
export function entriesOf(record: JsonRecord, field: string): readonly (readonly [string, unknown])[] {
  const value = Object.hasOwn(record, field) ? record[field] : undefined;
  return isRecord(value) ? Object.entries(value) : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
