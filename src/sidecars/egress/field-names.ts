/*
 * Scope: keeping the forms of secrets out of the names of fields in answers. Out of scope: their values (`scrub.ts`).
 * Fail-safe direction: names come in lower case, so a form counts whatever its letters.
 */

/** A server has some tens of names. */
const MAX_CLEAN = 256;

export class FieldNames {
  readonly #patterns: readonly Uint8Array[];
  readonly #clean = new Set<string>();
  #folded: readonly string[] | undefined;

  constructor(patterns: readonly Uint8Array[]) {
    this.#patterns = patterns;
  }

  /** The name with `*`, which may stand in names, in the place of each form. */
  masked(name: string): string {
    if (this.#clean.has(name)) return name;
    this.#folded ??= this.#patterns.map((bytes) => Buffer.from(bytes).toString('latin1').toLowerCase());
    const masked = this.#folded.reduce((text, form) => text.replaceAll(form, '*'.repeat(form.length)), name);
    if (masked === name && this.#clean.size < MAX_CLEAN) this.#clean.add(name);
    return masked;
  }
}
