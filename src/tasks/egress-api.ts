import type { HostBlock, Route } from '../core/index.ts';

/** Whose policy is meant: that of a task (its name may be shortened), or that of the project of a directory. */
export type EgressTargetRef = { readonly task: string } | { readonly directory: string };

export interface EgressRule {
  readonly name: string;
  /** For example `agent claude`, `config.yml`, `set npm (~/.npmrc)` */
  readonly origin: string;
  /** Without the token of its bottle */
  readonly route: Route;
}

export interface EgressReport {
  /** `task shop` or `project shop-1f0c2a9b` */
  readonly of: string;
  readonly rules: readonly EgressRule[];
  readonly blocks: readonly (HostBlock & { readonly origin: string })[];
  /** What the repository asks for and was not granted; untrusted text */
  readonly notGranted: readonly { readonly what: string; readonly how: string }[];
}

export interface EgressVersion {
  readonly of: 'project' | 'task';
  readonly number: number;
  /** ISO 8601 */
  readonly at: string;
  readonly reason: string;
  readonly rules: readonly string[];
}

export interface EgressSet {
  readonly name: string;
  readonly title: string;
  readonly kind: 'packages' | 'git' | 'model';
  readonly routes: readonly Omit<Route, 'inject'>[];
  /** Server → the file or variable of this machine that names it */
  readonly from: readonly { readonly host: string; readonly port: number; readonly from: string }[];
  /** Addresses of the configuration that no route can stand for */
  readonly skipped: readonly { readonly address: string; readonly from: string; readonly why: string }[];
}

export interface GrantRequest {
  readonly target: EgressTargetRef;
  /** A name, or `*.suffix` */
  readonly host: string;
  /** 443 where absent */
  readonly port?: number;
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
  /** That of other routes for the host; otherwise `inspect` for the ports of HTTP, `passthrough` for others */
  readonly mode?: Route['mode'];
  readonly privateNetworks?: readonly string[];
  /** Ends by itself after this time */
  readonly forMs?: number;
  /** The command, for the history */
  readonly reason: string;
}

export interface DenyRequest {
  readonly target: EgressTargetRef;
  readonly host: string;
  /** Every port where absent */
  readonly port?: number;
  /** Takes a block back */
  readonly undo?: boolean;
  readonly reason: string;
}

export interface EgressChange {
  readonly of: string;
  readonly version: number;
  readonly route?: Route;
  readonly block?: HostBlock;
  /** Names of the allowances that were taken back */
  readonly removed: readonly string[];
  /** Running tasks, and how long it took until the change held there */
  readonly tasks: readonly { readonly slug: string; readonly state: 'applied' | 'unchanged' | 'not-running'; readonly ms: number }[];
}

export interface EgressVerdict {
  readonly allowed: boolean;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Normalised path that was judged */
  readonly path?: string;
  readonly rule?: string;
  readonly origin?: string;
  /** `passthrough`: method and path are not seen */
  readonly mode?: Route['mode'];
  readonly reason?: string;
  readonly message?: string;
  /** The command that would allow it */
  readonly fix?: string;
}

/** One decision of a gateway. Names, paths and reasons are untrusted text. */
export interface EgressLogEntry {
  readonly sequence: number;
  /** ISO 8601 */
  readonly time: string;
  readonly decision: 'allow' | 'deny';
  readonly kind: string;
  readonly host?: string;
  readonly port?: number;
  readonly method?: string;
  readonly path?: string;
  readonly route?: string;
  readonly reason?: string;
  /** The command that would allow it */
  readonly fix?: string;
}

export interface EgressProposal {
  readonly task: string;
  readonly routes: readonly Route[];
  /** The same as a configuration file states it */
  readonly yaml: string;
  readonly commands: readonly string[];
}

export interface AuditReport {
  readonly of: string;
  readonly file: string;
  readonly intact: boolean;
  readonly lines: number;
  /** Where the chain breaks */
  readonly line?: number;
  readonly problem?: string;
}

/** A request that waits for a person. Host and method are untrusted text; `found` names what it carries, never its value. */
export interface EgressQuestion {
  readonly id: string;
  /** ISO 8601 */
  readonly askedAt: string;
  readonly host: string;
  readonly method: string;
  readonly found: string;
}

/** A yes also holds for the same find on the same host: ten minutes where `hold` is absent. */
export interface EgressAnswer {
  readonly allow: boolean;
  /** `always`: for the life of the bottle */
  readonly hold?: 'once' | 'always' | { readonly forMs: number };
}

/** What bottles may reach: looked at, changed, tried and learned. Every method throws `TerokError`. */
export interface EgressApi {
  show(target: EgressTargetRef): Promise<EgressReport>;
  versions(target: EgressTargetRef): Promise<readonly EgressVersion[]>;
  sets(): Promise<readonly EgressSet[]>;
  allow(request: GrantRequest): Promise<EgressChange>;
  deny(request: DenyRequest): Promise<EgressChange>;
  /** Judges a request with the code of the gateway, without sending anything */
  test(target: EgressTargetRef, request: { readonly method: string; readonly url: string }): Promise<EgressVerdict>;
  /** The last decisions of a task's gateway, oldest first */
  log(slug: string, options: { readonly limit: number; readonly deniedOnly: boolean }): Promise<readonly EgressLogEntry[]>;
  /** Decisions from here on */
  watch(slug: string, options: { readonly signal: AbortSignal }): AsyncIterable<EgressLogEntry>;
  /** The smallest routes that would have let through what was refused */
  learn(slug: string): Promise<EgressProposal>;
  /** Adds routes that `learn` proposed */
  adopt(slug: string, routes: readonly Route[], reason: string): Promise<EgressChange>;
  /** Requests that carry what a data-loss rule asks about */
  questions(slug: string): Promise<readonly EgressQuestion[]>;
  answer(slug: string, id: string, answer: EgressAnswer): Promise<void>;
  /** Takes back every yes that still holds */
  forgetAnswers(slug: string): Promise<void>;
  /** Lets a bottle that sent its canary go on */
  resume(slug: string): Promise<void>;
  /** Checks the record of decisions of one task, of all, or of a file, without any gateway */
  verifyAudit(target: { readonly task: string } | { readonly file: string } | undefined): Promise<readonly AuditReport[]>;
}
