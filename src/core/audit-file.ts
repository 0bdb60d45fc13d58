/*
 * Scope: the file under the audit log: whole lines at its end, put aside at a size. Out of scope: what the lines say.
 * Fail-safe direction: a line is in the file as a whole or not at all.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';

export interface AuditFileOptions {
  /** Size at which the file is put aside */
  readonly maxBytes: number;
  /** Older files kept as `<file>.1` (newest) and so on */
  readonly keep: number;
  /** Is this text a whole line of the log? */
  readonly isLine: (text: string) => boolean;
}

/** A line is far shorter; the search for the last whole line starts this far from the end. */
const TAIL_BYTES = 256 * 1024;

export class AuditFile {
  readonly #file: string;
  readonly #options: AuditFileOptions;
  #descriptor: number;
  #bytes: number;

  constructor(file: string, options: AuditFileOptions) {
    this.#file = file;
    this.#options = options;
    this.#descriptor = openForAppend(file);
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  /** Cuts off what a crash tore; a crash between rename and first write leaves the last line in `<file>.1`. */
  recover(): { readonly lastLine: string | undefined; readonly bytesCut: number } {
    const { isLine } = this.#options;
    const whole = lastWholeLine(this.#descriptor, this.#bytes, isLine);
    const bytesCut = this.#bytes - whole.end;
    if (bytesCut > 0) ftruncateSync(this.#descriptor, whole.end);
    this.#bytes = whole.end;
    return { lastLine: whole.line ?? lastLineOfFile(`${this.#file}.1`, isLine), bytesCut };
  }

  /** Adds whole lines in one write; where that fails the file is as before. */
  append(bytes: Buffer): void {
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#options.maxBytes) this.#rotate();
    writeWhole(this.#descriptor, bytes, this.#bytes);
    this.#bytes += bytes.length;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #rotate(): void {
    // Absent where an earlier attempt could move the file but not make the next one
    if (existsSync(this.#file)) this.#putAside();
    const next = openForAppend(this.#file);
    closeSync(this.#descriptor);
    this.#descriptor = next;
    this.#bytes = 0;
  }

  #putAside(): void {
    const { keep } = this.#options;
    rmSync(`${this.#file}.${keep}`, { force: true });
    for (let age = keep - 1; age >= 0; age -= 1) {
      const from = age === 0 ? this.#file : `${this.#file}.${age}`;
      if (existsSync(from)) renameSync(from, `${this.#file}.${age + 1}`);
    }
  }
}

function openForAppend(file: string): number {
  return openSync(file, 'a+', 0o600);
}

/** Writes all bytes or takes back what it wrote, so that a full disk never leaves half a line. */
function writeWhole(descriptor: number, bytes: Buffer, end: number): void {
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written);
  } catch (error) {
    if (written > 0) ftruncateSync(descriptor, end);
    throw error;
  }
}

function lastWholeLine(
  descriptor: number,
  size: number,
  isLine: (text: string) => boolean,
): { readonly end: number; readonly line: string | undefined } {
  const start = Math.max(0, size - TAIL_BYTES);
  const tail = Buffer.alloc(size - start);
  readSync(descriptor, tail, 0, tail.length, start);
  let end = tail.lastIndexOf(0x0a) + 1;
  while (end > 0) {
    const from = tail.lastIndexOf(0x0a, end - 2) + 1;
    const line = tail.subarray(end === 1 ? 0 : from, end - 1).toString('utf8');
    if (isLine(line)) return { end: start + end, line };
    end = end === 1 ? 0 : from;
  }
  return { end: start, line: undefined };
}

function lastLineOfFile(file: string, isLine: (text: string) => boolean): string | undefined {
  if (!existsSync(file)) return undefined;
  const descriptor = openSync(file, 'r');
  try {
    return lastWholeLine(descriptor, fstatSync(descriptor).size, isLine).line;
  } finally {
    closeSync(descriptor);
  }
}
