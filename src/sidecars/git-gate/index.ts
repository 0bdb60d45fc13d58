export { type GateAudit, type GateEvent, handleGateRequest } from './handle-gate-request.ts';
