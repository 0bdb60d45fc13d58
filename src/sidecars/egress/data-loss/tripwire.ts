/*
 * Scope: whether this bottle has sent its canary, kept on disk so that a gateway that starts again knows it.
 * Out of scope: finding it. Fail-safe direction: once tripped, it stays so until a person resets it; a file that cannot be read is tripped.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { PatternMatcher } from '../pattern-matcher.ts';
import { matcherOf } from '../scrub.ts';
import { percentDecoded } from './percent-decoded.ts';

export interface TripwireOptions {
  /** The token, lower-case letters and digits, so that it survives in a host name */
  readonly canary: string;
  /** File of the mark */
  readonly file: string;
  /** Called once, when the mark is written */
  readonly onTrip?: () => void;
}

export interface TripwireMark {
  /** ISO 8601 */
  readonly at: string;
  /** Where the canary was sent to; untrusted text */
  readonly host: string;
  /** Route that would have let it pass; absent where it left as the name of a host */
  readonly rule?: string;
}

export class Tripwire {
  readonly canary: string;
  readonly #matcher: PatternMatcher;
  readonly #file: string;
  readonly #onTrip: (() => void) | undefined;
  #isTripped: boolean;

  constructor({ canary, file, onTrip }: TripwireOptions) {
    this.canary = canary;
    this.#matcher = matcherOf([canary]);
    this.#onTrip = onTrip;
    this.#file = file;
    this.#isTripped = existsSync(file);
  }

  get isTripped(): boolean {
    return this.#isTripped;
  }

  /** Does a text hold the canary, as it is, encoded, or cut into the labels of a name? */
  isIn(text: string): boolean {
    return this.#matcher.firstIn(Buffer.from(`${text}\n${percentDecoded(text)}\n${text.replaceAll('.', '')}`)) !== -1;
  }

  trip(where: Pick<TripwireMark, 'host' | 'rule'>): void {
    if (this.#isTripped) return;
    this.#isTripped = true;
    const mark: TripwireMark = { at: new Date().toISOString(), ...where };
    writeFileSync(this.#file, `${JSON.stringify(mark)}\n`, { mode: 0o600, flush: true });
    this.#onTrip?.();
  }

  reset(): void {
    rmSync(this.#file, { force: true });
    this.#isTripped = false;
  }
}

/** The mark of a bottle whose gateway need not run. */
export function readTripwireMark(file: string): TripwireMark | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { at, host, rule } = JSON.parse(readFileSync(file, 'utf8')) as Partial<TripwireMark>;
    return { at: String(at ?? 'unknown'), host: String(host ?? 'unknown'), ...(rule === undefined ? {} : { rule: String(rule) }) };
  } catch (error) {
    if (error instanceof SyntaxError) return { at: 'unknown', host: 'unknown' };
    throw error;
  }
}
