import { escapeText } from '../escape.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;

/** Says on standard error what is going on: one moving line on a terminal, plain lines elsewhere, nothing with `--quiet`. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;
  #timer: NodeJS.Timeout | undefined;
  #message = '';
  #frame = 0;

  constructor(stream: NodeJS.WriteStream, quiet: boolean) {
    this.#stream = stream;
    this.#quiet = quiet;
  }

  /** Replaces the current message; the text is escaped. */
  show(message: string): void {
    if (this.#quiet || message === this.#message) return;
    this.#message = message;
    if (this.#stream.isTTY !== true) {
      this.#stream.write(`terok: ${escapeText(message)}\n`);
      return;
    }
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  /** Clears the moving line, so that something else can be printed; the next `show` draws it again. */
  pause(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#message = '';
    this.#stream.write('\r\x1b[K');
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const width = Math.max(20, (this.#stream.columns || 80) - 3);
    const text = escapeText(this.#message);
    this.#stream.write(`\r\x1b[K${FRAMES[this.#frame]} ${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
  }
}
