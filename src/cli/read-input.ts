import { TerokError } from '../core/errors.ts';

/** All of a stream as UTF-8, without the line break at its end; throws USAGE when it is empty or longer than `maxBytes`. */
export async function readText(stream: AsyncIterable<Buffer | string>, maxBytes: number, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > maxBytes) throw new TerokError('USAGE', `${what} may have at most ${maxBytes} bytes.`);
    chunks.push(buffer);
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '') throw new TerokError('USAGE', `${what} is empty.`, { hint: 'Give it on standard input.' });
  return text;
}
