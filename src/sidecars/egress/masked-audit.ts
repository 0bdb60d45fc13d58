import type { AuditEvent, AuditLog } from '../../core/audit-log.ts';

/** Fields whose text a bottle chose. */
const CHOSEN = ['host', 'target', 'detail'] as const;

/** An audit log in which the values that `mask` knows stand as `*`. */
export function maskedAudit(log: AuditLog, mask: (text: string) => string): AuditLog {
  const masked = (event: AuditEvent): AuditEvent => {
    let safe = event;
    for (const field of CHOSEN) {
      const text = event[field];
      const shown = typeof text === 'string' ? mask(text) : text;
      if (shown !== text) safe = { ...safe, [field]: shown };
    }
    return safe;
  };
  return {
    record: (event) => log.record(masked(event)),
    commit: (event) => log.commit(masked(event)),
    recordLater: (event) => log.recordLater(masked(event)),
    flush: () => log.flush(),
    close: () => log.close(),
  };
}
