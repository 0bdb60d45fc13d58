import type { Bottle, BottlePlan, BottleSpec, BottleStatus, SealedNetwork, SeedFile } from './bottle.ts';
import type { CallOptions } from './call-options.ts';
import type { BackendCapabilities } from './capabilities.ts';
import type { ImageStore } from './image-store.ts';

export type ProbeReport =
  | { readonly state: 'available'; readonly version: string; readonly notes: readonly ProbeFinding[] }
  | { readonly state: 'absent' | 'broken'; readonly findings: readonly ProbeFinding[] };

/** One reason why a backend is unusable, or weaker than it could be, on this machine. */
export interface ProbeFinding {
  readonly code: string;
  readonly message: string;
  /** What a person does about it */
  readonly fix: string;
}

export interface RuntimeEntry {
  readonly id: string;
  readonly status: BottleStatus;
}

/** What `launch` needs beside the plan. */
export interface LaunchInputs {
  readonly network: SealedNetwork;
  readonly seeds: readonly SeedFile[];
  /** Called once the runtime object exists, and once it is verified and sealed; a backend goes on when the promise resolves */
  readonly onPhase: (phase: 'created' | 'sealed') => Promise<void>;
}

/**
 * A way to make bottles. Few verbs, all required; differences are `capabilities`. Wrapped by `RuntimeBackend`, which adds
 * records, deadlines and error context, so an implementation stays naive.
 */
export interface BottleBackend {
  readonly name: string;
  readonly capabilities: BackendCapabilities;
  readonly images: ImageStore;
  /** Resolves when bottles can be made here, or throws BACKEND_UNAVAILABLE with every reason; absent where they always can */
  ready?(options?: CallOptions): Promise<void>;
  /** Is this backend usable here? Never throws for a missing runtime; every reason has a fix */
  probe(options?: CallOptions): Promise<ProbeReport>;
  /** Throws before any side effect on anything that this backend cannot do here; no option is ever ignored */
  resolve(spec: BottleSpec, options?: CallOptions): Promise<BottlePlan>;
  /** Makes the bottle and starts it; on failure nothing of the runtime is left */
  launch(plan: BottlePlan, inputs: LaunchInputs, options?: CallOptions): Promise<Bottle>;
  /** A handle on a bottle that exists, for example after terok was restarted */
  open(plan: BottlePlan, network: SealedNetwork, options?: CallOptions): Promise<Bottle>;
  /** Every runtime object that carries terok's label for this state directory */
  list(options?: CallOptions): Promise<readonly RuntimeEntry[]>;
  /** Removes the runtime object in any state; nothing to remove is success */
  remove(id: string, options?: CallOptions): Promise<void>;
}
