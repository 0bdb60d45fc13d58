// Scope: tells the words of our own start-up code from the output of the command, on the stream that both share.
// Out of scope: trust. A command that learns the mark can lie about itself and nothing else.
// Fail-safe direction: without a mark the command counts as not started.
import { randomBytes } from 'node:crypto';

export type MarkKind = 'started' | 'cwd' | 'missing' | 'notExecutable' | 'failed';

export interface Mark {
  readonly kind: MarkKind;
  /** Process id for `started`, exit code for `failed` */
  readonly value: number;
}

const LETTERS: Readonly<Record<MarkKind, string>> = { started: 's', cwd: 'c', missing: 'm', notExecutable: 'x', failed: 'f' };
const BODY = /^([scmxf])(\d{0,10});/;
/** Letter, number and semicolon */
const MAX_BODY_BYTES = 12;
/** Bytes that a server may say before the first mark, for example that a home directory is missing; more is no start. */
const MAX_PREAMBLE_BYTES = 64 * 1024;

/** The random word of one command. Its two halves stand apart in the program text, so that a shell quoting its program is no mark. */
export class Marks {
  readonly #halves: readonly [string, string] = [`\u001e${randomBytes(10).toString('hex')}`, randomBytes(10).toString('hex')];

  get word(): Buffer {
    return Buffer.from(this.#halves.join(''));
  }

  /** Shell code that prints a mark on stderr; `value` is shell code for a number. */
  print(kind: MarkKind, value = ''): string {
    return `printf '%s%s${LETTERS[kind]}%s;' '${this.#halves[0]}' '${this.#halves[1]}' "${value}" >&2`;
  }
}

/** Takes the marks out of a stream. Bytes before the first mark are dropped; after it everything else passes unchanged and at once. */
export class MarkFilter {
  readonly #word: Buffer;
  readonly #onMark: (mark: Mark) => void;
  #started = false;
  #held: Buffer = Buffer.alloc(0);

  constructor(marks: Marks, onMark: (mark: Mark) => void) {
    this.#word = marks.word;
    this.#onMark = onMark;
  }

  /** What of `chunk`, and of what was held back before, belongs to the command. */
  push(chunk: Buffer): Buffer {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    const passed: Buffer[] = [];
    for (;;) {
      const at = rest.indexOf(this.#word);
      if (at === -1) return this.#tail(passed, rest, rest.length - prefixLength(rest, this.#word));
      const body = rest.subarray(at + this.#word.length, at + this.#word.length + MAX_BODY_BYTES);
      const match = BODY.exec(body.toString('latin1'));
      if (match === null) return this.#tail(passed, rest, body.length < MAX_BODY_BYTES ? at : rest.length);
      if (this.#started) passed.push(rest.subarray(0, at));
      this.#take(match);
      rest = rest.subarray(at + this.#word.length + match[0].length);
    }
  }

  /** What was held back when the stream ended. */
  flush(): Buffer {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return this.#started ? held : Buffer.alloc(0);
  }

  #take([, letter, digits]: RegExpExecArray): void {
    const kind = (Object.keys(LETTERS) as MarkKind[]).find((candidate) => LETTERS[candidate] === letter);
    if (kind === undefined) return;
    this.#started = true;
    this.#onMark({ kind, value: Number(digits) });
  }

  #tail(passed: Buffer[], rest: Buffer, end: number): Buffer {
    this.#held = Buffer.from(rest.subarray(end));
    if (this.#started) passed.push(rest.subarray(0, end));
    else if (rest.length > MAX_PREAMBLE_BYTES) this.#held = Buffer.from(rest.subarray(rest.length - this.#word.length));
    return passed.length === 1 && passed[0] !== undefined ? passed[0] : Buffer.concat(passed);
  }
}

/** Length of the longest end of `data` that could be the beginning of `word`. */
function prefixLength(data: Buffer, word: Buffer): number {
  for (let length = Math.min(word.length - 1, data.length); length > 0; length--) {
    if (data[data.length - length] === word[0] && data.subarray(data.length - length).equals(word.subarray(0, length))) return length;
  }
  return 0;
}
