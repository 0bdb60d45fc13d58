import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type BufferedExecOptions, type ExecOptions, type ExecResult, type ExitStatus, TerokError } from '../core/index.ts';
import { startError } from './outcome.ts';
import type { SshProcess } from './ssh-process.ts';

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

type Spawn = (argv: readonly string[], options: ExecOptions) => Promise<SshProcess>;

/** Runs a command to its end and keeps what it printed. */
export async function execBuffered(spawn: Spawn, argv: readonly string[], options: BufferedExecOptions): Promise<ExecResult> {
  const process = await spawn(argv, options);
  const maxBytes = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const fed = feed(process, options.input);
  const outputs = Promise.all([collect(process, 'stdout', maxBytes), collect(process, 'stderr', maxBytes)]);
  try {
    const [[stdout, stderr], status, inputError] = await Promise.all([outputs, process.exited, fed]);
    const failure = process.failed === undefined ? undefined : startError(process.failed, argv[0] ?? '', options.cwd);
    if (failure !== undefined) throw failure;
    if (inputError !== undefined && !hasEnded(status)) throw inputError;
    return { status, stdout, stderr };
  } catch (error) {
    await process.end({ kind: 'cancelled' });
    throw error;
  } finally {
    process.release();
  }
}

/** Gives the error of the input itself; that the command reads no further is none. */
async function feed(process: SshProcess, input: BufferedExecOptions['input']): Promise<Error | undefined> {
  if (!(input instanceof Readable)) {
    process.stdin.end(input);
    return undefined;
  }
  const over = new AbortController();
  void process.exited.then(() => over.abort());
  try {
    await pipeline(input, process.stdin, { signal: over.signal });
    return undefined;
  } catch (error) {
    if (over.signal.aborted) return undefined;
    await process.end({ kind: 'cancelled' });
    return new TerokError('RUNTIME_FAILED', 'The input of the command could not be read.', { context: { kind: 'input' }, cause: error });
  }
}

function hasEnded(status: ExitStatus): boolean {
  return status.kind === 'exited' || status.kind === 'signalled';
}

async function collect(process: SshProcess, name: 'stdout' | 'stderr', maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process[name] as AsyncIterable<Buffer>) {
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
