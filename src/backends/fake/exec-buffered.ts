import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type BufferedExecOptions, type ExecResult, TerokError } from '../../core/index.ts';
import type { FakeProcess } from './fake-process.ts';

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Feeds a command, waits for its end and keeps what it printed. */
export async function execBuffered(
  process: FakeProcess,
  { input, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES }: BufferedExecOptions,
): Promise<ExecResult> {
  try {
    const fed = feed(process, input);
    const [stdout, stderr, status] = await Promise.all([
      collect(process.stdout, 'stdout', maxOutputBytes),
      collect(process.stderr, 'stderr', maxOutputBytes),
      process.exited,
      fed,
    ]);
    return { status, stdout, stderr };
  } catch (error) {
    await process.end({ kind: 'cancelled' });
    throw error;
  }
}

/** The input ends with the command, also where its own source never ends. */
async function feed(process: FakeProcess, input: BufferedExecOptions['input']): Promise<void> {
  if (!(input instanceof Readable)) {
    process.stdin.end(input);
    return;
  }
  const over = new AbortController();
  void process.exited.then(() => over.abort());
  try {
    await pipeline(input, process.stdin, { signal: over.signal });
  } catch (error) {
    if (!over.signal.aborted)
      throw new TerokError('RUNTIME_FAILED', 'The input of the command could not be read.', { context: { kind: 'input' }, cause: error });
  }
}

async function collect(stream: Readable, name: 'stdout' | 'stderr', maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new TerokError('RUNTIME_FAILED', `The command printed more than ${maxBytes} bytes to ${name}; it was killed.`, {
        context: { kind: 'outputTooLarge', stream: name, maxOutputBytes: maxBytes },
        hint: 'Raise `maxOutputBytes`, or read the output as a stream.',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
