import { StringDecoder } from 'node:string_decoder';
import { escapeLines } from '../escape.ts';
import type { Output } from '../terminal/output.ts';

/** Longest line of a diff that is shown whole, in characters; a minified file would fill the terminal */
const MAX_LINE_LENGTH = 4_000;

/** A diff for a person to read: coloured, with control, bidirectional and invisible characters as codes. */
export async function* renderDiff(diff: AsyncIterable<Buffer | string>, output: Output): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of diff) {
    const lines = (rest + decoder.write(Buffer.from(chunk))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield `${paintLine(line, output)}\n`;
  }
  if (rest !== '') yield `${paintLine(rest, output)}\n`;
}

function paintLine(line: string, output: Output): string {
  const shown = line.length > MAX_LINE_LENGTH ? `${line.slice(0, MAX_LINE_LENGTH)}… (${line.length} characters)` : line;
  const text = escapeLines(shown);
  if (/^(?:diff |index |--- |\+\+\+ )/.test(line)) return output.paint('bold', text);
  if (line.startsWith('@@')) return output.paint('cyan', text);
  if (line.startsWith('+')) return output.paint('green', text);
  return line.startsWith('-') ? output.paint('red', text) : text;
}
