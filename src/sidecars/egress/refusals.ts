import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AuditEvent, AuditLog } from '../../core/audit-log.ts';
import { messageOf } from '../../core/errors.ts';
import type { Denied, EgressTarget } from './decide.ts';
import { rawRefusal } from './refusal.ts';

/** TLS alert `unrecognized_name`, fatal. */
const UNRECOGNIZED_NAME = Buffer.of(0x15, 3, 1, 0, 2, 2, 112);

/** Carries refusals to the bottle and into the audit log. */
export class Refusals {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  record(target: EgressTarget | undefined, refusal: Denied, detail?: string): void {
    this.note({
      kind: 'connection',
      decision: 'deny',
      ...(target === undefined ? {} : { host: target.name, port: target.port }),
      reason: refusal.reason,
      detail: detail ?? refusal.detail ?? refusal.message,
    });
  }

  /** Answers on a socket that no response object owns, and closes it. */
  answerRaw(socket: Duplex, target: EgressTarget | undefined, refusal: Denied): void {
    this.record(target, refusal);
    if (socket.writable) socket.end(rawRefusal(refusal), () => socket.destroy());
    else socket.destroy();
  }

  /** Ends a TLS handshake whose name is not that of its connection. */
  answerTlsName(socket: Socket, target: EgressTarget, refusal: Denied): void {
    this.record(target, refusal);
    socket.end(UNRECOGNIZED_NAME, () => socket.destroySoon());
  }

  /** An unforeseen error ends its own connection and nothing else. */
  fault(peer: { destroy(): unknown }, target: EgressTarget, error: unknown): void {
    peer.destroy();
    this.note({ kind: 'fault', decision: 'deny', host: target.name, port: target.port, problem: messageOf(error) });
  }

  /** Records what ends in a refusal anyway: it stands, also where the log cannot be written. */
  note(event: AuditEvent): void {
    this.#try(() => this.#audit.record(event));
  }

  /** Records how something that was allowed ended. */
  noteEnd(event: AuditEvent): void {
    this.#try(() => this.#audit.recordLater(event));
  }

  #try(write: () => unknown): void {
    try {
      write();
    } catch (error) {
      process.emitWarning(`The audit log cannot be written: ${messageOf(error)}`);
    }
  }
}
