/*
 * Scope: the byte strings in which the value of a secret shows itself: as it is, and in the encodings that programs use every day.
 * Out of scope: encodings of encodings but base64 of base64, encryption, values that are cut in pieces. Fail-safe direction: a form that is too short to
 * stand for this secret alone is left out; the value itself never is.
 */

/** A shorter string could stand for something else. */
const MIN_FORM_BYTES = 8;
/** Bounds the memory of a matcher; a longer value is looked for by its pieces of this length. */
const MAX_WHOLE_BYTES = 1_024;
const PIECE_BYTES = 64;

export type SecretEncoding = 'plain' | 'base64' | 'base64url' | 'hex' | 'url' | 'json' | 'html' | 'reversed' | 'utf-16';

export interface SecretForm {
  readonly encoding: SecretEncoding;
  readonly bytes: Buffer;
}

/** Every form of a value, each once. */
export function secretForms(value: string): readonly SecretForm[] {
  const distinct = new Map<string, SecretForm>();
  for (const form of piecesOf(value).flatMap(formsOf)) {
    const key = form.bytes.toString('latin1');
    if (!distinct.has(key)) distinct.set(key, form);
  }
  return [...distinct.values()];
}

/** A key file is looked for line by line, any other long value in pieces of equal length: each is as good as the whole. */
function piecesOf(value: string): readonly string[] {
  if (Buffer.byteLength(value) <= MAX_WHOLE_BYTES) return [value];
  const lines = value.split(/\r?\n/).filter((line) => line.length >= PIECE_BYTES / 2 && !line.startsWith('-----'));
  if (lines.length > 1 && lines.every((line) => line.length <= MAX_WHOLE_BYTES)) return lines;
  return Array.from({ length: Math.floor(value.length / PIECE_BYTES) }, (_, at) => value.slice(at * PIECE_BYTES, (at + 1) * PIECE_BYTES));
}

function formsOf(value: string): readonly SecretForm[] {
  const bytes = Buffer.from(value, 'utf8');
  const hex = bytes.toString('hex');
  const percent = hex.replace(/../g, '%$&');
  const text = (encoding: SecretEncoding, encoded: string): SecretForm => ({ encoding, bytes: Buffer.from(encoded, 'utf8') });
  const encoded: readonly SecretForm[] = [
    ...[0, 1, 2].flatMap((shift) => {
      const inner = base64Inside(bytes, shift);
      const twice = [0, 1, 2].map((again) => text('base64', base64Inside(Buffer.from(inner), again)));
      return [text('base64', inner), text('base64url', inner.replaceAll('+', '-').replaceAll('/', '_')), ...twice];
    }),
    text('hex', hex),
    text('hex', hex.toUpperCase()),
    text('url', encodeURIComponent(value)),
    text(
      'url',
      encodeURIComponent(value).replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    ),
    text('url', formEncoded(value)),
    text('url', percent),
    text('url', percent.toUpperCase()),
    text('json', JSON.stringify(value).slice(1, -1)),
    text('json', JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/')),
    text('json', unicodeEscaped(value)),
    text('html', htmlEscaped(value)),
    text('reversed', Array.from(value).reverse().join('')),
    { encoding: 'utf-16', bytes: Buffer.from(value, 'utf16le') },
  ];
  return [{ encoding: 'plain', bytes }, ...encoded.filter((form) => form.bytes.length >= MIN_FORM_BYTES)];
}

/** The characters of a base64 text that depend on `bytes` alone, where `shift` other bytes stand before it in a group of three. */
function base64Inside(bytes: Buffer, shift: number): string {
  const padded = Buffer.concat([Buffer.alloc(shift), bytes]);
  const first = Math.ceil((shift * 8) / 6);
  const last = Math.floor((padded.length * 8) / 6);
  return padded.toString('base64').slice(first, last);
}

function formEncoded(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1);
}

function unicodeEscaped(value: string): string {
  return Array.from({ length: value.length }, (_, at) => `\\u${value.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');
}

function htmlEscaped(value: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return value.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
