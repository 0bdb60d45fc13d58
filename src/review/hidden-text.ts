/*
 * Scope: characters in added lines that a person does not see, or takes for others. Out of scope: what is visible.
 * Fail-safe direction: a diff that is longer than the cap is said to be scanned in part.
 */

export type HiddenKind = 'bidi' | 'invisible' | 'control' | 'homoglyph';

export interface HiddenText {
  /** As git quotes it; ASCII */
  readonly path: string;
  /** Of the new file, from 1 */
  readonly line: number;
  readonly kinds: readonly HiddenKind[];
}

export interface HiddenScan {
  /** The first 200 */
  readonly hits: readonly HiddenText[];
  readonly count: number;
  /** False where the diff was longer than 64 MiB */
  readonly complete: boolean;
}

const MAX_HITS = 200;
const MAX_SCANNED_BYTES = 64 * 1024 ** 2;
/** A longer line is scanned in its first part alone, which is said by `complete` */
const MAX_LINE_BYTES = 1024 ** 2;

/** Cyrillic and Greek letters that look like Latin ones; beside a Latin letter they are in the wrong word. */
const LOOKALIKES = 'аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρυ';

const PATTERNS: readonly (readonly [HiddenKind, RegExp])[] = [
  ['bidi', /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/],
  [
    'invisible',
    /(?![\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])[\p{Cf}\p{Zl}\p{Zp}\p{Variation_Selector}]|[\u115f\u1160\u3164\uffa0]|\u034f/u,
  ],
  ['control', /[\0-\x08\x0b-\x1f\x7f-\x9f]/],
  ['homoglyph', new RegExp(`[A-Za-z][${LOOKALIKES}]|[${LOOKALIKES}][A-Za-z]|[\\uff21-\\uff3a\\uff41-\\uff5a]`)],
];

/** Joiners and selectors inside of an emoji are no hiding place. */
const EMOJI =
  /\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|[\u{1f3fb}-\u{1f3ff}])*(?:\u200d\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|[\u{1f3fb}-\u{1f3ff}])*)*/gu;

/** What one line hides; a carriage return at its end is a line ending. */
export function hiddenKindsIn(line: string): readonly HiddenKind[] {
  const text = line.replace(/\r$/, '').replace(EMOJI, '');
  return PATTERNS.filter(([, pattern]) => pattern.test(text)).map(([kind]) => kind);
}

/** Scans the added lines of a unified diff without context lines (`-U0`). */
export async function scanDiff(diff: AsyncIterable<Buffer>): Promise<HiddenScan> {
  const scan = new DiffScan();
  let rest: Buffer = Buffer.alloc(0);
  let bytes = 0;
  for await (const chunk of diff) {
    bytes += chunk.length;
    if (bytes > MAX_SCANNED_BYTES) return { ...scan.result(), complete: false };
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = whole.indexOf(10); end !== -1; end = whole.indexOf(10, start)) {
      scan.take(whole.subarray(start, end));
      start = end + 1;
    }
    rest = whole.subarray(start);
  }
  if (rest.length > 0) scan.take(rest);
  return scan.result();
}

class DiffScan {
  readonly #hits: HiddenText[] = [];
  #count = 0;
  #complete = true;
  #path = '';
  #line = 0;
  /** Lines that the hunk still has; what follows `@@` is content, whatever it looks like */
  #removed = 0;
  #added = 0;

  take(line: Buffer): void {
    if (this.#added > 0 && line[0] === 43) {
      this.#added -= 1;
      this.#look(line.subarray(1));
      this.#line += 1;
    } else if (this.#removed > 0 && line[0] === 45) {
      this.#removed -= 1;
    } else if (this.#added === 0 && this.#removed === 0 && (line[0] === 64 || line[0] === 43)) {
      this.#readHeader(line.subarray(0, 8_192).toString('latin1'));
    }
  }

  result(): HiddenScan {
    return { hits: this.#hits, count: this.#count, complete: this.#complete };
  }

  #readHeader(text: string): void {
    const [, removed = '1', start = '1', added = '1'] = /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text) ?? [];
    if (text.startsWith('@@ ')) {
      this.#removed = Number(removed);
      this.#added = Number(added);
      this.#line = Number(start);
    } else if (text.startsWith('+++ ')) {
      this.#path = text
        .slice(4)
        .replace(/^("?)b\//, '$1')
        .replaceAll(/[^\x20-\x7e]/g, '?');
    }
  }

  #look(content: Buffer): void {
    if (content.length > MAX_LINE_BYTES) this.#complete = false;
    const text = content.subarray(0, MAX_LINE_BYTES).toString('latin1');
    if (!/[^\t\x20-\x7e]/.test(text.replace(/\r$/, ''))) return;
    const kinds = hiddenKindsIn(content.subarray(0, MAX_LINE_BYTES).toString('utf8'));
    if (kinds.length === 0) return;
    this.#count += 1;
    if (this.#hits.length < MAX_HITS) this.#hits.push({ path: this.#path, line: this.#line, kinds });
  }
}
