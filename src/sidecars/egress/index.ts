export { type AuditEvent, type AuditLog, type AuditLogOptions, openAuditLog } from './audit-log.ts';
export { type AuditVerdict, verifyAuditLog } from './audit-verify.ts';
export { decide, decideConnection, type EgressTarget, isNameAllowed } from './decide.ts';
export { type ResolveName, resolveOnHost } from './dial.ts';
export { createEgress, type Egress, type EgressOptions } from './egress.ts';
export { RouteExpiry, withoutEnded } from './expiry.ts';
export { grantCommand, pathPrefix, type WantedAccess } from './fix-command.ts';
export { REFUSAL_HEADER, type RefusalReason } from './refusal.ts';
export { targetResolver } from './target-names.ts';
