export { handleGateRequest } from './handle-gate-request.ts';
export type { GateAudit, GateEvent, ServedGate } from './served-gate.ts';
