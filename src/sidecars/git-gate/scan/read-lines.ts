import type { Readable } from 'node:stream';

/** The parts of a stream between `separator` bytes, as latin1, which keeps every byte. A part that no separator ends comes too. */
export async function* readParts(stream: Readable, separator: number): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(separator); end !== -1; end = bytes.indexOf(separator, start)) {
      yield bytes.toString('latin1', start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield rest.toString('latin1');
}
