import type { GatePlan } from '../gateway/gateway-plan.ts';

/** The gate of one bottle */
export interface ServedGate extends GatePlan {
  readonly slug: string;
  /** Vault whose values no push may hold */
  readonly vaultDir?: string;
  /** File with the canary of the bottle */
  readonly canaryFile?: string;
  /** Called where a push holds the canary */
  readonly onCanary?: () => void;
}

/** One request to the gate, for the record of the bottle */
export interface GateEvent {
  readonly kind: 'git';
  readonly decision: 'allow' | 'deny';
  readonly [field: string]: string | number | boolean | undefined;
}

export interface GateAudit {
  record(event: GateEvent): unknown;
}
