/*
 * Scope: an append-only record of every decision: JSON lines, each with the SHA-256 of the line before it.
 * Out of scope: hiding the record from its owner. Fail-safe direction: where a line cannot be written, `record` throws, `commit`
 * rejects, and the caller refuses.
 */
import { hash } from 'node:crypto';
import { AuditFile } from './audit-file.ts';
import { GENESIS, parseEntry } from './audit-verify.ts';
import { messageOf, systemCodeOf, TerokError } from './errors.ts';

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
  /**
   * Adds a line and gives its number once it is in the file; rejects where that fails, and then no line is added. All lines of one turn
   * of the event loop share one write, so this is the way for what happens often
   */
  commit(event: AuditEvent): Promise<number>;
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

interface Waiting {
  /** JSON of the event's fields without the braces */
  readonly fields: string;
  readonly time: string;
  /** Called once the line is in the file; a line without it may wait for a disk that has room again */
  readonly done?: (number: number) => void;
  readonly failed?: (error: unknown) => void;
}

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_KEEP = 4;
/** Longest text of one field: a path of a request fits, a flood does not. */
const MAX_FIELD_LENGTH = 1_024;
/** Lines that wait while the disk refuses them, and the most that one crash can lose. */
const MAX_WAITING = 256;

/** Opens or makes an audit log, mode 0600. A line that was torn by a crash is cut off and the cut is recorded. */
export function openAuditLog(file: string, options: AuditLogOptions = {}): AuditLog {
  return new FileAuditLog(file, options);
}

class FileAuditLog implements AuditLog {
  readonly #path: string;
  readonly #file: AuditFile;
  readonly #now: () => Date;
  #previous = GENESIS;
  #sequence = 0;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #closed = false;

  constructor(file: string, { maxBytes = DEFAULT_MAX_BYTES, keep = DEFAULT_KEEP, now = () => new Date() }: AuditLogOptions) {
    this.#path = file;
    this.#now = now;
    this.#file = new AuditFile(file, { maxBytes, keep, isLine: (text) => parseEntry(text) !== undefined });
    const { lastLine, bytesCut } = this.#file.recover();
    if (lastLine !== undefined) {
      this.#previous = hash('sha256', lastLine);
      this.#sequence = parseEntry(lastLine)?.sequence ?? 0;
    }
    if (bytesCut > 0) this.record({ kind: 'audit-repaired', decision: 'allow', bytesCut });
  }

  record(event: AuditEvent): number {
    let written = 0;
    this.#add(event, {
      done: (number) => {
        written = number;
      },
    });
    this.flush();
    return written;
  }

  commit(event: AuditEvent): Promise<number> {
    return new Promise((done, failed) => {
      this.#add(event, { done, failed });
      this.#flushSoon();
    });
  }

  recordLater(event: AuditEvent): void {
    if (this.#waiting.length >= MAX_WAITING) this.flush();
    this.#add(event, {});
    this.#flushSoon();
  }

  flush(): void {
    const batch = this.#waiting;
    if (batch.length === 0) return;
    let sequence = this.#sequence;
    let previous = this.#previous;
    let text = '';
    for (const { fields, time } of batch) {
      sequence += 1;
      const line = `{"sequence":${sequence},"time":"${time}","previous":"${previous}",${fields}}`;
      previous = hash('sha256', line);
      text += `${line}\n`;
    }
    try {
      this.#file.append(Buffer.from(text));
    } catch (error) {
      throw this.#giveUp(batch, error);
    }
    const first = this.#sequence + 1;
    this.#sequence = sequence;
    this.#previous = previous;
    this.#waiting = [];
    for (const [index, { done }] of batch.entries()) done?.(first + index);
  }

  close(): void {
    if (this.#closed) return;
    try {
      this.flush();
    } finally {
      this.#closed = true;
      this.#file.close();
    }
  }

  #add(event: AuditEvent, then: Pick<Waiting, 'done' | 'failed'>): void {
    if (this.#closed) throw new TerokError('WRONG_STATE', `The audit log \`${this.#path}\` is closed.`);
    this.#waiting.push({ fields: fieldsOf(event), time: this.#now().toISOString(), ...then });
  }

  #flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flushNow());
  }

  /** What may wait and cannot be written stays in memory, in its place before the next line. */
  #flushNow(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      this.flush();
    } catch (error) {
      process.emitWarning(messageOf(error));
    }
  }

  /** Decisions that did not get into the file are none: their callers refuse. */
  #giveUp(batch: readonly Waiting[], cause: unknown): TerokError {
    const code = systemCodeOf(cause) === 'ENOSPC' ? 'DISK_FULL' : 'GATEWAY_FAILED';
    const error = new TerokError(code, `The audit log \`${this.#path}\` cannot be written: ${messageOf(cause)}`, { cause });
    this.#waiting = batch.filter(({ done }) => done === undefined);
    for (const { failed } of batch) failed?.(error);
    return error;
  }
}

/** JSON of the event without its braces. */
function fieldsOf(event: AuditEvent): string {
  const text = JSON.stringify(event);
  return (text.length <= MAX_FIELD_LENGTH ? text : JSON.stringify(event, bounded)).slice(1, -1);
}

function bounded(_name: string, value: unknown): unknown {
  return typeof value === 'string' && value.length > MAX_FIELD_LENGTH ? `${value.slice(0, MAX_FIELD_LENGTH)}...` : value;
}
