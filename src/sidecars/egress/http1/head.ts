/*
 * Scope: one strict reading of the head of an HTTP/1.1 message, for both directions. Out of scope: what its fields mean.
 * Fail-safe direction: what has another form than RFC 9112 asks of senders (a lone CR or LF, a folded line, a control character, a
 * space before a colon) is no head.
 */

export interface Head {
  /** Request line or status line */
  readonly first: string;
  /** Names and values in turn, as they were sent */
  readonly rawHeaders: readonly string[];
  /** Its length with the empty line */
  readonly bytes: number;
}

const END = '\r\n\r\n';
/** What no head holds outside of its line ends. */
const ODD = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const [SPACE, TAB] = [0x20, 0x09];

/** Reads the head that the bytes begin with; undefined where they hold no whole one, `'malformed'` where it has another form. */
export function readHead(bytes: Buffer): Head | 'malformed' | undefined {
  const end = bytes.indexOf(END);
  if (end === -1) return undefined;
  const text = bytes.toString('latin1', 0, end);
  if (ODD.test(text)) return 'malformed';
  const [first = '', ...lines] = text.split('\r\n');
  const rawHeaders = readFields(lines);
  return rawHeaders === undefined ? 'malformed' : { first, rawHeaders, bytes: end + END.length };
}

function readFields(lines: readonly string[]): string[] | undefined {
  const flat: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!NAME.test(name)) return undefined;
    flat.push(name, trimmed(line, colon + 1));
  }
  return flat;
}

/** Without the spaces and tabs around it, and only those: `trim` takes more. */
function trimmed(line: string, from: number): string {
  let [begin, end] = [from, line.length];
  while (begin < end && isBlank(line.charCodeAt(begin))) begin += 1;
  while (end > begin && isBlank(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(begin, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** The lines of a head as they are sent; throws where one could be read as another, or as two. */
export function writeHead(first: string, fields: Iterable<readonly [name: string, value: string]>): string {
  let text = `${checked(first)}\r\n`;
  for (const [name, value] of fields) {
    if (!NAME.test(name)) throw new TypeError(`\`${name.slice(0, 40)}\` is no name of a header field`);
    text += `${name}: ${checked(value)}\r\n`;
  }
  return `${text}\r\n`;
}

function checked(value: string): string {
  if (!VALUE.test(value)) throw new TypeError('a head holds a character that none may hold');
  return value;
}
