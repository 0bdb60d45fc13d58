import { closeSync, createReadStream, openSync, renameSync, writeSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ignoreCodes, systemCodeOf } from '../core/index.ts';

/** An agent may print without end; the log keeps the newest one to two files of this size. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const POLL_MS = 200;

/** The agent's output on the host: `<stateDir>/output.log`, and `output.log.1` with what came before it. */
export class OutputLog {
  readonly #file: string;
  readonly #maxBytes: number;
  #descriptor: number;
  #bytes = 0;
  #full = false;

  private constructor(file: string, descriptor: number, maxBytes: number) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#maxBytes = maxBytes;
  }

  static async open(stateDir: string, maxBytes: number = MAX_FILE_BYTES): Promise<OutputLog> {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const file = outputFile(stateDir);
    return new OutputLog(file, openSync(file, 'w', 0o600), maxBytes);
  }

  /** Where the disk is full the log ends; the agent and its caller go on. */
  write(chunk: Buffer): void {
    if (this.#full) return;
    try {
      if (this.#bytes + chunk.length > this.#maxBytes && this.#bytes > 0) this.#rotate();
      for (let done = 0; done < chunk.length; ) done += writeSync(this.#descriptor, chunk, done);
      this.#bytes += chunk.length;
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOSPC' && systemCodeOf(error) !== 'EDQUOT') throw error;
      this.#full = true;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #rotate(): void {
    closeSync(this.#descriptor);
    renameSync(this.#file, `${this.#file}.1`);
    this.#descriptor = openSync(this.#file, 'w', 0o600);
    this.#bytes = 0;
  }
}

export interface ReadOutputOptions {
  readonly follow: boolean;
  /** Tells whether more output may come */
  readonly isRunning: () => Promise<boolean>;
  readonly signal?: AbortSignal;
}

/** The kept output, oldest first; with `follow` it goes on until the task ends. */
export function readOutput(stateDir: string, options: ReadOutputOptions): Readable {
  return Readable.from(chunks(stateDir, options), { objectMode: false });
}

async function* chunks(stateDir: string, options: ReadOutputOptions): AsyncGenerator<Buffer> {
  const file = outputFile(stateDir);
  yield* contentOf(`${file}.1`, 0);
  let offset = 0;
  let inode: number | undefined;
  for (;;) {
    const running = options.follow && (await options.isRunning());
    const now = await ignoreCodes(['ENOENT'], () => stat(file));
    if (now !== undefined && now.ino !== inode) {
      if (inode !== undefined) yield* contentOf(`${file}.1`, offset);
      [inode, offset] = [now.ino, 0];
    }
    for await (const chunk of contentOf(file, offset)) {
      offset += chunk.length;
      yield chunk;
    }
    if (!running || options.signal?.aborted === true) return;
    await delay(POLL_MS);
  }
}

async function* contentOf(file: string, start: number): AsyncGenerator<Buffer> {
  if ((await ignoreCodes(['ENOENT'], () => stat(file))) === undefined) return;
  for await (const chunk of createReadStream(file, { start })) yield chunk as Buffer;
}

function outputFile(stateDir: string): string {
  return path.join(stateDir, 'output.log');
}
