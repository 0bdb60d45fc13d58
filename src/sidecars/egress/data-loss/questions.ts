/*
 * Scope: requests that wait for a person to say whether they may go out. Out of scope: who asks (`watch.ts`), who answers (the control
 * socket, which only the owner can reach). Fail-safe direction: no answer in time, or too many questions at once, is a no.
 */
import { randomBytes } from 'node:crypto';
import { describeFinding, type Finding } from './finding.ts';
import { type AnswerHold, StandingAnswers } from './standing-answers.ts';

/** Long enough to read a message and type a command; most clients wait that long for an answer. */
const WAIT_MS = 120_000;
const MAX_QUESTIONS = 20;

/** What a person is asked. Host and place are untrusted text; the finding names what was found, never its value. */
export interface Question {
  readonly id: string;
  /** ISO 8601 */
  readonly askedAt: string;
  readonly host: string;
  readonly method: string;
  readonly found: string;
}

interface Waiting extends Question {
  readonly key: string;
  readonly settle: (isAllowed: boolean) => void;
}

export class Questions {
  readonly #waiting = new Map<string, Waiting>();
  readonly #standing: StandingAnswers;

  /** @param file where answers lie that hold for ever; in memory alone where absent */
  constructor(file?: string) {
    this.#standing = new StandingAnswers(file);
  }

  /** Resolves with the answer. */
  ask(finding: Finding, { host, method }: Pick<Question, 'host' | 'method'>): Promise<boolean> {
    const key = JSON.stringify([host, finding.kind, finding.name]);
    if (this.#standing.holds(key)) return Promise.resolve(true);
    if (this.#waiting.size >= MAX_QUESTIONS) return Promise.resolve(false);
    const id = randomBytes(3).toString('hex');
    return new Promise((resolve) => {
      const settle = (isAllowed: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(isAllowed);
      };
      const timer = setTimeout(settle, WAIT_MS, false);
      this.#waiting.set(id, { id, askedAt: new Date().toISOString(), host, method, found: describeFinding(finding), key, settle });
    });
  }

  list(): readonly Question[] {
    return [...this.#waiting.values()].map(({ id, askedAt, host, method, found }) => ({ id, askedAt, host, method, found }));
  }

  /** False where no such question waits (any more). */
  answer(id: string, isAllowed: boolean, hold?: AnswerHold): boolean {
    const question = this.#waiting.get(id);
    if (question === undefined) return false;
    if (isAllowed) this.#standing.add(question.key, hold);
    question.settle(isAllowed);
    for (const other of this.#waiting.values()) if (this.#standing.holds(other.key)) other.settle(true);
    return true;
  }

  /** Takes back every yes that still holds. */
  forgetAnswers(): void {
    this.#standing.clear();
  }

  close(): void {
    for (const { settle } of this.#waiting.values()) settle(false);
  }
}
