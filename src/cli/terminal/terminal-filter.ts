/**
 * Scope: what an agent prints, on its way to the user's terminal. Text, colours and changes within the current line pass; everything
 * else that a terminal acts on (titles, clipboard, reports, modes, movement to other lines) is dropped.
 * Out of scope: output that goes to a file or program, which is passed byte for byte, and sessions in which the user gave the agent the
 * terminal (`--interactive`, `exec --tty`).
 * Fail-safe direction: a sequence that is not known to be harmless is dropped.
 */
import { StringDecoder } from 'node:string_decoder';

type State = 'text' | 'escape' | 'control' | 'string' | 'stringEscape';

/** Colours, and what stays within the line: erase, to column, right, left. */
const HARMLESS_CONTROL = /^[0-9;:]*[mKGCD]$/;
const ALLOWED_CONTROLS = '\t\n\r\b';
const STRING_STARTS = ']PX^_';
const C1_STRING_STARTS = '\u0090\u0098\u009d\u009e\u009f';

/** A control sequence is short; what is longer is dropped, and not kept. */
const MAX_SEQUENCE_LENGTH = 64;

/** Ends any colour that is still on. */
export const RESET = '\u001b[0m';

export class TerminalFilter {
  readonly #decoder = new StringDecoder('utf8');
  #state: State = 'text';
  #sequence = '';

  /** The part of the output so far that may be shown; a sequence that is cut between two chunks is judged when it is complete. */
  filter(chunk: Buffer): string {
    let shown = '';
    for (const character of this.#decoder.write(chunk)) shown += this.#step(character);
    return shown;
  }

  #step(character: string): string {
    switch (this.#state) {
      case 'text':
        return this.#text(character);
      case 'escape':
        this.#state = this.#afterEscape(character);
        return '';
      case 'control':
        return this.#control(character);
      case 'string':
        if (character === '\u001b') this.#state = 'stringEscape';
        else if (character === '\u0007' || character === '\u009c') this.#state = 'text';
        return '';
      case 'stringEscape':
        this.#state = character === '\\' ? 'text' : this.#afterEscape(character);
        return '';
      default:
        return this.#state satisfies never;
    }
  }

  #text(character: string): string {
    if (character === '\u001b') this.#state = 'escape';
    else if (character === '\u009b') this.#state = this.#begin();
    else if (C1_STRING_STARTS.includes(character)) this.#state = 'string';
    else if (ALLOWED_CONTROLS.includes(character) || !/\p{Cc}/u.test(character)) return character;
    return '';
  }

  #afterEscape(character: string): State {
    if (character === '[') return this.#begin();
    if (STRING_STARTS.includes(character)) return 'string';
    // Intermediate characters, such as in a choice of character set, are followed by a last one.
    return character === '\u001b' || (character >= ' ' && character <= '/') ? 'escape' : 'text';
  }

  #begin(): State {
    this.#sequence = '';
    return 'control';
  }

  #control(character: string): string {
    if (character === '\u001b') {
      this.#state = 'escape';
      return '';
    }
    if (this.#sequence.length < MAX_SEQUENCE_LENGTH) this.#sequence += character;
    if (character < '@' || character > '~') return '';
    this.#state = 'text';
    return HARMLESS_CONTROL.test(this.#sequence) ? `\u001b[${this.#sequence}` : '';
  }
}
