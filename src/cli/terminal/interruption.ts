import { constants } from 'node:os';

/** What Ctrl-C, SIGTERM and SIGHUP do to a long command: the first asks it to stop, the second ends this process at once. */
export class Interruption implements Disposable {
  readonly #ask = new AbortController();
  readonly #words: InterruptionWords;
  readonly #handlers: readonly (readonly [NodeJS.Signals, () => void])[];
  #first: Interrupt | undefined;

  constructor(words: InterruptionWords) {
    this.#words = words;
    this.#handlers = INTERRUPTS.map((signal) => [signal, () => this.#interrupt(signal)] as const);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** Aborts at the first interruption */
  get signal(): AbortSignal {
    return this.#ask.signal;
  }

  /** 128 + the signal that came first */
  get exitStatus(): number | undefined {
    return this.#first === undefined ? undefined : 128 + constants.signals[this.#first];
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  #interrupt(signal: Interrupt): void {
    if (this.#first === undefined) {
      this.#first = signal;
      this.#words.say('Stopping; once more ends terok at once.');
      this.#ask.abort();
    } else if (signal !== 'SIGHUP') {
      this.#words.say(this.#words.atOnce?.() ?? 'Ended at once.');
      process.exit(this.exitStatus);
    }
  }
}

/** A terminal that closes sends SIGHUP more than once: from the kernel, and from the shell. */
const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Interrupt = (typeof INTERRUPTS)[number];

export interface InterruptionWords {
  readonly say: (text: string) => void;
  /** What a person should know when the process ends at once */
  readonly atOnce?: () => string;
}
