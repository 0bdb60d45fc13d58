import type { AuditEvent, AuditLog } from '../../core/audit-log.ts';

/** Fields whose text a bottle chose. */
const CHOSEN = ['host', 'target', 'detail'] as const;

/** An audit log in which the values that `mask` knows stand as `*`. */
export function maskedAudit(log: AuditLog, mask: (text: string) => string): AuditLog {
  const masked = (event: AuditEvent): AuditEvent => {
    const texts = CHOSEN.map((field) => [field, event[field]] as const).filter((entry) => typeof entry[1] === 'string');
    return { ...event, ...Object.fromEntries(texts.map(([field, text]) => [field, mask(String(text))])) };
  };
  return {
    record: (event) => log.record(masked(event)),
    commit: (event) => log.commit(masked(event)),
    recordLater: (event) => log.recordLater(masked(event)),
    flush: () => log.flush(),
    close: () => log.close(),
  };
}
