/*
 * Scope: a form that asks the server, in a field `_method`, to take its request for one of another method, on a route that states its
 * methods. Out of scope: other bodies; no server reads a method there. Fail-safe direction: a form that cannot be read is refused; what
 * may be read as such a field is one. The body ends where the field is found, so no server gets it whole.
 */
import { deny } from './decide.ts';
import type { ForwardPlan } from './exchange.ts';
import type { HeaderList } from './headers.ts';
import { type BodyStage, StageRefusal } from './stages.ts';

/** Longer than anything that the patterns match. */
const KEPT_CHARACTERS = 256;
const NAME = '_method'.replace(/./g, (letter) => `(?:${letter}|%${hex(letter)}|%${hex(letter.toUpperCase())})`);
/** Some servers also take `;` between fields, and leave out spaces before a name. */
const IN_PAIRS = new RegExp(`(?:[&;+\\s]|%20|%09|%0a|%0d)${NAME}(?:=|%3d)`, 'i');
const IN_PARTS = new RegExp(`name\\*?\\s*=\\s*["']?(?:[\\w-]{1,20}'[^']{0,20}')?\\s*${NAME}(?![\\w-])`, 'i');

/** Undefined where the request is no form, or its route takes every method anyway. */
export function formStage({ route, method, headers }: ForwardPlan): BodyStage | undefined {
  if (route.methods === undefined) return undefined;
  const types = valuesOf(headers, 'content-type');
  const isMultipart = types.some((type) => type.startsWith('multipart/'));
  // without a type some servers read what is posted as a form
  if (
    !isMultipart &&
    !types.some((type) => type.startsWith('application/x-www-form-urlencoded')) &&
    !(types.length === 0 && method === 'POST')
  )
    return undefined;
  const isEncoded = valuesOf(headers, 'content-encoding').some((encoding) => encoding !== 'identity');
  return new FormStage(isMultipart ? IN_PARTS : IN_PAIRS, isEncoded);
}

class FormStage implements BodyStage {
  readonly #pattern: RegExp;
  readonly #isEncoded: boolean;
  /** A form begins as after a `&` */
  #before = '&';

  constructor(pattern: RegExp, isEncoded: boolean) {
    this.#pattern = pattern;
    this.#isEncoded = isEncoded;
  }

  push(chunk: Buffer): Buffer {
    if (this.#isEncoded)
      throw new StageRefusal(
        deny('encoding-unknown', 'a compressed form may hold the name of another method', 'Send it without compression.'),
      );
    const text = this.#before + chunk.toString('latin1');
    if (this.#pattern.test(text))
      throw new StageRefusal(
        deny('method-override', 'its form asks for another method, in `_method`', 'Send the method itself, without `_method` in the form.'),
      );
    this.#before = text.slice(-KEPT_CHARACTERS);
    return chunk;
  }

  end(): Buffer {
    return Buffer.alloc(0);
  }
}

/** Field names are lower-case here. */
function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([field]) => field === name).map(([, value]) => value.trim().toLowerCase());
}

function hex(letter: string): string {
  return letter.charCodeAt(0).toString(16);
}
