/*
 * Scope: text that a bottle wrote (subjects, names, paths) as one line for a person. Out of scope: contents of files.
 * Fail-safe direction: a character that could move the cursor, reorder, hide or end the line is shown as its code.
 */

/** Controls, format characters (bidi, zero width, tags), line and paragraph separators, lone surrogates, private use, blank fillers. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Variation_Selector}]|[\u115f\u1160\u3164\uffa0]|\u034f/gu;

/** Longest text that is shown, in characters */
const MAX_LENGTH = 1_000;

/** One printable line; bytes that are no UTF-8 show as the replacement character. */
export function renderUntrusted(text: string | Uint8Array): string {
  const decoded = typeof text === 'string' ? text : new TextDecoder('utf-8', { ignoreBOM: true }).decode(text);
  const cut = decoded.length > MAX_LENGTH ? `${decoded.slice(0, MAX_LENGTH)}…` : decoded;
  return cut.replace(UNSAFE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
