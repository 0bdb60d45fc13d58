/*
 * Scope: an append-only record of every decision: JSON lines, each with the SHA-256 of the line before it.
 * Out of scope: hiding the record from its owner. Fail-safe direction: where a line cannot be written, `record` throws and the
 * caller refuses.
 */
import { hash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { messageOf, systemCodeOf, TerokError } from '../../core/errors.ts';
import { GENESIS, parseEntry } from './audit-verify.ts';

/** One decision. Further fields are strings and numbers, cut at `MAX_FIELD_LENGTH`; never a secret. */
export interface AuditEvent {
  /** For example `request`, `connection`, `dns`, `push` */
  readonly kind: string;
  readonly decision: 'allow' | 'deny';
  readonly [field: string]: string | number | boolean | undefined;
}

export interface AuditLog {
  /** Adds a line and gives its number. It is in the file when this returns; throws where that fails, and then no line is added */
  record(event: AuditEvent): number;
  /** Adds a line about what has happened anyway; it reaches the file with the next one, at the latest in the next turn of the event loop */
  recordLater(event: AuditEvent): void;
  /** Writes what is waiting */
  flush(): void;
  close(): void;
}

export interface AuditLogOptions {
  /** Size at which the file is put aside, 8 MiB by default */
  readonly maxBytes?: number;
  /** Older files kept as `<file>.1` (newest) and so on, 4 by default */
  readonly keep?: number;
  readonly now?: () => Date;
}

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_KEEP = 4;
/** Longest text of one field: a path of a request fits, a flood does not. */
const MAX_FIELD_LENGTH = 1_024;
/** A line is far shorter; the search for the last whole line starts this far from the end. */
const TAIL_BYTES = 256 * 1024;
/** Lines that wait while the disk refuses them, and the most that one crash can lose. */
const MAX_WAITING = 256;

/** Opens or makes an audit log, mode 0600. A line that was torn by a crash is cut off and the cut is recorded. */
export function openAuditLog(file: string, options: AuditLogOptions = {}): AuditLog {
  return new FileAuditLog(file, options);
}

class FileAuditLog implements AuditLog {
  readonly #file: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  readonly #now: () => Date;
  #descriptor: number;
  #bytes: number;
  #previous = GENESIS;
  #sequence = 0;
  #waiting: string[] = [];
  #scheduled = false;
  #closed = false;

  constructor(file: string, { maxBytes = DEFAULT_MAX_BYTES, keep = DEFAULT_KEEP, now = () => new Date() }: AuditLogOptions) {
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#keep = keep;
    this.#now = now;
    this.#descriptor = openForAppend(file);
    this.#bytes = fstatSync(this.#descriptor).size;
    this.#resume();
  }

  record(event: AuditEvent): number {
    const before = this.#previous;
    this.#add(event);
    try {
      this.flush();
    } catch (error) {
      this.#waiting.pop();
      this.#sequence -= 1;
      this.#previous = before;
      throw error;
    }
    return this.#sequence;
  }

  recordLater(event: AuditEvent): void {
    if (this.#waiting.length >= MAX_WAITING) this.flush();
    this.#add(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flushLater());
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.from(this.#waiting.join(''));
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes) this.#rotate();
      writeWhole(this.#descriptor, bytes, this.#bytes);
    } catch (error) {
      throw new TerokError(
        systemCodeOf(error) === 'ENOSPC' ? 'DISK_FULL' : 'GATEWAY_FAILED',
        `The audit log \`${this.#file}\` cannot be written: ${messageOf(error)}`,
        { cause: error },
      );
    }
    this.#bytes += bytes.length;
    this.#waiting = [];
  }

  close(): void {
    if (this.#closed) return;
    try {
      this.flush();
    } finally {
      this.#closed = true;
      closeSync(this.#descriptor);
    }
  }

  #add(event: AuditEvent): void {
    if (this.#closed) throw new TerokError('WRONG_STATE', `The audit log \`${this.#file}\` is closed.`);
    this.#sequence += 1;
    const line = JSON.stringify({ sequence: this.#sequence, time: this.#now().toISOString(), previous: this.#previous, ...bounded(event) });
    this.#previous = hash('sha256', line);
    this.#waiting.push(`${line}\n`);
  }

  /** What cannot be written stays in memory, in its place before the next line. */
  #flushLater(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      this.flush();
    } catch (error) {
      process.emitWarning(messageOf(error));
    }
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
    rmSync(`${this.#file}.${this.#keep}`, { force: true });
    for (let age = this.#keep - 1; age >= 0; age -= 1) {
      const from = age === 0 ? this.#file : `${this.#file}.${age}`;
      if (existsSync(from)) renameSync(from, `${this.#file}.${age + 1}`);
    }
  }

  /** Takes up the chain after the last whole line; a crash between rename and first write leaves it in `<file>.1`. */
  #resume(): void {
    const whole = lastWholeLine(this.#descriptor, this.#bytes);
    const torn = this.#bytes - whole.end;
    if (torn > 0) ftruncateSync(this.#descriptor, whole.end);
    this.#bytes = whole.end;
    const line = whole.line ?? lastLineOfFile(`${this.#file}.1`);
    if (line !== undefined) {
      this.#previous = hash('sha256', line);
      this.#sequence = sequenceOf(line);
    }
    if (torn > 0) this.record({ kind: 'audit-repaired', decision: 'allow', bytesCut: torn });
  }
}

function bounded(event: AuditEvent): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(event).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > MAX_FIELD_LENGTH ? `${value.slice(0, MAX_FIELD_LENGTH)}…` : value,
    ]),
  );
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
    ftruncateSync(descriptor, end);
    throw error;
  }
}

function lastWholeLine(descriptor: number, size: number): { readonly end: number; readonly line: string | undefined } {
  const start = Math.max(0, size - TAIL_BYTES);
  const tail = Buffer.alloc(size - start);
  readSync(descriptor, tail, 0, tail.length, start);
  let end = tail.lastIndexOf(0x0a) + 1;
  while (end > 0) {
    const from = tail.lastIndexOf(0x0a, end - 2) + 1;
    const line = tail.subarray(end === 1 ? 0 : from, end - 1).toString('utf8');
    if (parseEntry(line) !== undefined) return { end: start + end, line };
    end = end === 1 ? 0 : from;
  }
  return { end: start, line: undefined };
}

function lastLineOfFile(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const descriptor = openSync(file, 'r');
  try {
    return lastWholeLine(descriptor, fstatSync(descriptor).size).line;
  } finally {
    closeSync(descriptor);
  }
}

function sequenceOf(line: string): number {
  return parseEntry(line)?.sequence ?? 0;
}
