/**
 * Scope: makes text that terok did not write safe to print in terok's own lines, on any terminal.
 * Out of scope: the agent's own output stream, see `terminal/terminal-filter.ts`.
 * Fail-safe direction: a character that could move the cursor, reorder or hide text is shown as its code.
 */

/**
 * C0 and C1 controls, bidirectional and other format characters, line and paragraph separators, lone surrogates, private use, blank
 * letters, and variation selectors but for the two of emoji.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]|(?![\ufe0e\ufe0f])\p{Variation_Selector}|[\u115f\u1160\u3164\uffa0]|\u034f/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line of printable text. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? codeOf(character));
}

/** As `escapeText`, but line breaks and tabs stay. */
export function escapeLines(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === '\n' || character === '\t' ? character : (SHORT[character] ?? codeOf(character)),
  );
}

function codeOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
