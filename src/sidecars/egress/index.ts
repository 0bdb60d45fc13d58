export { type AuditEvent, type AuditLog, type AuditLogOptions, openAuditLog } from './audit-log.ts';
export { type AuditVerdict, verifyAuditLog } from './audit-verify.ts';
export type { EgressTarget } from './decide.ts';
export { createEgress, type Egress, type EgressOptions } from './egress.ts';
export { REFUSAL_HEADER, type RefusalReason } from './refusal.ts';
export type { ResolveName } from './upstream.ts';
