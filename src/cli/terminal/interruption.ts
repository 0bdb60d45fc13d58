/** What Ctrl-C, SIGTERM and SIGHUP do to a long command: the first asks, the second kills, the third ends terok itself. */
export class Interruption implements Disposable {
  readonly #ask = new AbortController();
  readonly #kill = new AbortController();
  readonly #remark: (text: string) => void;
  readonly #handlers: readonly (readonly [NodeJS.Signals, () => void])[];
  #first: NodeJS.Signals | undefined;

  constructor(remark: (text: string) => void) {
    this.#remark = remark;
    this.#handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => [signal, () => this.#interrupt(signal)] as const);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** Aborts at the first interruption */
  get signal(): AbortSignal {
    return this.#ask.signal;
  }

  /** Aborts at the second interruption */
  get kill(): AbortSignal {
    return this.#kill.signal;
  }

  /** 128 + the signal that came first */
  get exitStatus(): number | undefined {
    if (this.#first === undefined) return undefined;
    return { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[this.#first as 'SIGINT' | 'SIGTERM' | 'SIGHUP'];
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  #interrupt(signal: NodeJS.Signals): void {
    this.#first ??= signal;
    if (!this.#ask.signal.aborted) {
      this.#remark('Stopping the task; once more kills it at once.');
      this.#ask.abort();
    } else if (!this.#kill.signal.aborted) {
      this.#remark('Killing the task.');
      this.#kill.abort();
    } else {
      process.exit(this.exitStatus);
    }
  }
}
