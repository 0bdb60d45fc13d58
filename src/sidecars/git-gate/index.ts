export { handleGateRequest } from './handle-gate-request.ts';
export { parseLfsPointer } from './lfs/lfs-pointer.ts';
export { copyLfsObject, openLfsObject } from './lfs/lfs-store.ts';
export type { GateAudit, GateEvent, ServedGate } from './served-gate.ts';
