/*
 * Scope: which finds a person has said yes to, and for how long; what holds for ever lies on disk. Out of scope: asking (`questions.ts`).
 * Fail-safe direction: a file that cannot be read is an error; a timed yes ends with its gateway, whatever the clock says.
 */
import { rmSync } from 'node:fs';
import { asStrings, readJsonFile, replaceJsonFile } from '../json-file.ts';

/** How long a yes holds for the same find on the same host: for one request, for the life of the bottle, or for a time. */
export type AnswerHold = 'once' | 'always' | { readonly forMs: number };

/** A program tries again, and asks the same thing of the same host in several requests. */
const USUAL: AnswerHold = { forMs: 10 * 60_000 };
/** A person types one command for each. */
const MAX_ALWAYS = 1_000;

export class StandingAnswers {
  readonly #file: string | undefined;
  readonly #always: Set<string>;
  readonly #until = new Map<string, number>();

  /** @param file in memory alone where absent */
  constructor(file: string | undefined) {
    this.#file = file;
    this.#always = new Set(file === undefined ? [] : read(file));
  }

  holds(key: string): boolean {
    return this.#always.has(key) || (this.#until.get(key) ?? 0) > performance.now();
  }

  /** Throws where it cannot be written; it does not hold then. */
  add(key: string, hold: AnswerHold = USUAL): void {
    if (hold === 'once') return;
    if (hold !== 'always') return void this.#until.set(key, performance.now() + hold.forMs);
    const allowed = [...this.#always, key].slice(-MAX_ALWAYS);
    if (this.#file !== undefined) replaceJsonFile(this.#file, { version: 1, allowed }, { flush: true });
    this.#always.add(key);
  }

  /** Takes back every yes. */
  clear(): void {
    if (this.#file !== undefined) rmSync(this.#file, { force: true });
    this.#always.clear();
    this.#until.clear();
  }
}

function read(file: string): readonly string[] {
  const hint = 'Move the file away; what was allowed for ever is asked about again.';
  return readJsonFile(file, ({ version, allowed }) => (version === 1 ? asStrings(allowed) : undefined), hint) ?? [];
}
