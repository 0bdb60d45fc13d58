/*
 * Scope: the byte sequences that betray one value of the vault in the encodings that programs write by themselves.
 * Out of scope: compression, encryption, a value cut into pieces. Fail-safe direction: more sequences, never fewer.
 */

export interface Needle {
  /** Name of the secret; its value is in `bytes` alone */
  readonly secret: string;
  readonly bytes: Buffer;
  /** Of the token that was put into the bottle to be noticed when it leaves */
  readonly isCanary?: true;
}

/** What a find breaks, and what it is. */
export function foundBy({ secret, isCanary }: Needle): { readonly rule: 'vaultValue' | 'canary'; readonly what: string } {
  return isCanary === true
    ? { rule: 'canary', what: 'a token that nothing in this bottle has a use for' }
    : { rule: 'vaultValue', what: `the value of the secret \`${secret}\`` };
}

/** A shorter value is in every second file by chance. */
export const MIN_SECRET_BYTES = 8;
/** Of a longer value three pieces are enough to know it, and bound what the search carries from chunk to chunk. */
export const MAX_NEEDLE_BYTES = 64;
const PIECE_BYTES = 40;

/** All needles of one secret; none where the value is too short to be told from chance. */
export function secretNeedles(secret: string, value: string): readonly Needle[] {
  const pieces = piecesOf(Buffer.from(value.trim(), 'utf8'));
  const forms = pieces.flatMap(encodingsOf).map((bytes) => bytes.subarray(0, MAX_NEEDLE_BYTES));
  const distinct = new Map(forms.filter(({ length }) => length >= MIN_SECRET_BYTES).map((bytes) => [bytes.toString('latin1'), bytes]));
  return [...distinct.values()].map((bytes) => ({ secret, bytes }));
}

/** The value itself, or of a long one (a key, a service account file) pieces from behind the head that all such files share. */
function piecesOf(value: Buffer): Buffer[] {
  if (value.length < MIN_SECRET_BYTES) return [];
  if (value.length <= MAX_NEEDLE_BYTES) return [value];
  const body = longestLines(value);
  return body.flatMap((line) => [line.subarray(0, PIECE_BYTES), line.subarray(-PIECE_BYTES)]);
}

/** The value where it is one line, otherwise its three lines in the middle: a file may be pasted with other line breaks. */
function longestLines(value: Buffer): Buffer[] {
  const lines = value
    .toString('latin1')
    .split(/\r?\n/)
    .filter((line) => line.length >= MIN_SECRET_BYTES && !line.startsWith('-----'));
  const middle = Math.floor(lines.length / 2);
  return (lines.length <= 3 ? lines : lines.slice(middle - 1, middle + 2)).map((line) => Buffer.from(line, 'latin1'));
}

function encodingsOf(value: Buffer): Buffer[] {
  const text = value.toString('utf8');
  const hex = value.toString('hex');
  return [
    value,
    Buffer.from([...value].reverse()),
    Buffer.from(text, 'utf16le'),
    Buffer.from(text, 'utf16le').swap16(),
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    Buffer.from(percentEncoded(text)),
    Buffer.from(JSON.stringify(text).slice(1, -1)),
    ...base64Cores(value),
  ];
}

/** A lone surrogate cannot come out of UTF-8, so this does not throw. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text);
}

/** What base64 makes of the value at each of the three positions it can begin at, without the characters that its neighbours change. */
function base64Cores(value: Buffer): Buffer[] {
  return [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), value]);
    const whole = padded.length - (padded.length % 3);
    const core = padded.toString('base64').slice(Math.ceil((offset * 8) / 6), (whole / 3) * 4);
    return [core, core.replaceAll('+', '-').replaceAll('/', '_')].map((text) => Buffer.from(text));
  });
}
