import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** A longer line of a build's output is cut into pieces of this length. */
const MAX_LINE_LENGTH = 8_192;

/** Calls `onLine` for every line of a text stream until it ends. */
export async function forEachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk as Buffer)).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
    while (rest.length > MAX_LINE_LENGTH) {
      onLine(rest.slice(0, MAX_LINE_LENGTH));
      rest = rest.slice(MAX_LINE_LENGTH);
    }
  }
  if (rest !== '') onLine(rest);
}

/** The end of an output, for error messages. */
export class LastLines {
  readonly #lines: string[] = [];
  readonly #most = 20;

  push(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > this.#most) this.#lines.shift();
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
