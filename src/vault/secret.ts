import { inspect } from 'node:util';

const REDACTED = '[secret]';

/**
 * A value that must not be printed, logged or serialised: every implicit way out of it gives `[secret]`. Only `reveal` gives the
 * value, and is called where the value is used.
 *
 * @example
 * const key = new Secret('sk-live-…');
 * `${key}`; // '[secret]'
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
