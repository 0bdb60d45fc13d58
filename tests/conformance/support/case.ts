import type { Bottle, BottleBackend, BottleSpec } from '../../../src/core/index.ts';

export interface LaunchHooks {
  readonly onPhase?: (phase: 'created' | 'sealed') => Promise<void>;
  /** Stands for the readiness of the network */
  readonly ready?: Promise<void>;
  readonly signal?: AbortSignal;
}

/** A backend with everything around it that a launch needs. */
export interface BackendUnderTest {
  readonly backend: BottleBackend;
  launch(options?: Partial<BottleSpec>, hooks?: LaunchHooks): Promise<Bottle>;
  /** A second handle, made from the bottle's plan alone */
  reopen(bottle: Bottle): Promise<Bottle>;
  /** Loopback address of the host on which the bottle's ports are published */
  addressOf(bottle: Bottle): Promise<string>;
  /** Directories of the host that terok writes to; no secret of a command may be in them */
  readonly directories: readonly string[];
  /** Kills the bottle's first process, or the process that watches it, with SIGKILL */
  crash?(bottle: Bottle, victim: 'init' | 'monitor'): Promise<void>;
  /** Takes away what a reboot takes away, then opens the bottle again */
  reboot?(bottle: Bottle): Promise<Bottle>;
  /** Removes every bottle that was launched, and all else */
  cleanup(): Promise<void>;
}

export interface CaseContext {
  readonly under: BackendUnderTest;
  /** Running, shared by the cases that leave it running */
  readonly bottle: Bottle;
  /** A fresh directory of `bottle`, owned by the agent */
  readonly scratch: string;
  /** Runs `work` when the case ends, whatever its result */
  readonly atEnd: (work: () => unknown) => void;
  /** Ends the case as not run; for facts that only show at run time */
  readonly skip: (reason: string) => never;
}

export interface ConformanceCase {
  readonly id: `F${string}`;
  readonly title: string;
  /** Why this backend cannot show the case; decided from its capabilities, never from its name */
  readonly unless?: (backend: BottleBackend) => string | undefined;
  readonly timeoutMs?: number;
  readonly run: (context: CaseContext) => Promise<void>;
}

export const withoutIsolation = ({ capabilities }: BottleBackend): string | undefined =>
  capabilities.isolation === 'none' ? 'the backend declares no isolation' : undefined;

export const withoutSeal = ({ capabilities }: BottleBackend): string | undefined =>
  capabilities.network === 'none' ? 'the backend declares that it does not restrict the network' : undefined;

export const withoutLimits = ({ capabilities }: BottleBackend): string | undefined =>
  capabilities.enforcesLimits ? undefined : 'the backend declares that it enforces no limits';

export const withoutTerminal = ({ capabilities }: BottleBackend): string | undefined =>
  capabilities.terminal ? undefined : 'the backend declares that it gives no terminal';
