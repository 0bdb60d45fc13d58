/*
 * Scope: whether this bottle has sent its canary, kept on disk so that a gateway that starts again knows it.
 * Out of scope: finding it. Fail-safe direction: once tripped, it stays so until a person resets it; a file that cannot be read is tripped.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

export interface TripwireOptions {
  /** The token, lower-case letters and digits, so that it survives in a host name */
  readonly canary: string;
  /** File of the mark */
  readonly file: string;
}

export interface TripwireMark {
  /** ISO 8601 */
  readonly at: string;
  /** Where the canary was sent to; untrusted text */
  readonly host: string;
}

export class Tripwire {
  readonly canary: string;
  readonly #file: string;
  #isTripped: boolean;

  constructor({ canary, file }: TripwireOptions) {
    this.canary = canary;
    this.#file = file;
    this.#isTripped = existsSync(file);
  }

  get isTripped(): boolean {
    return this.#isTripped;
  }

  trip(host: string): void {
    if (this.#isTripped) return;
    this.#isTripped = true;
    const mark: TripwireMark = { at: new Date().toISOString(), host };
    writeFileSync(this.#file, `${JSON.stringify(mark)}\n`, { mode: 0o600, flush: true });
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
    const { at, host } = JSON.parse(readFileSync(file, 'utf8')) as Partial<TripwireMark>;
    return { at: String(at ?? 'unknown'), host: String(host ?? 'unknown') };
  } catch (error) {
    if (error instanceof SyntaxError) return { at: 'unknown', host: 'unknown' };
    throw error;
  }
}
