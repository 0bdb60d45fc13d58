/*
 * Scope: names of files and refs that deceive a reader, a terminal or a file system. Input: untrusted bytes as latin1.
 * Out of scope: letters that look alike. Fail-safe direction: bytes that are no UTF-8 are hostile.
 */

const CONTROL = /\p{Cc}/u;
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** Format characters, fillers that show as blanks, line and paragraph separators, private use */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]|\u034f/u;

/** What is wrong with a name, or undefined: `has a line break`. */
export function nameProblem(name: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(name)) return undefined;
  const text = decodeName(name);
  if (text === undefined) return 'is not UTF-8';
  if (/[\r\n]/.test(text)) return 'has a line break';
  if (CONTROL.test(text)) return 'has a control character';
  if (BIDI.test(text)) return 'has a character that turns the direction of the text';
  return INVISIBLE.test(text) ? 'has an invisible character' : undefined;
}

/** What names have in common that some file system takes for the same. */
export function foldName(name: string): string {
  const text = decodeName(name);
  if (text === undefined) return name;
  return text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}

/** True for `.git` and what a file system may take for it. */
export function isGitDirectoryName(name: string): boolean {
  const plain = (decodeName(name) ?? name).replaceAll(/\p{Cf}/gu, '').toLowerCase();
  return /^(?:\.git|git~\d+)[ .]*(?::.*)?$/.test(plain);
}

function decodeName(name: string): string | undefined {
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
