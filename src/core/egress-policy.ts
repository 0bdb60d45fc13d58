import type { CredentialInjection, OAuthAnswer } from './credential-injection.ts';
import type { DataLossRule } from './data-loss-rule.ts';

/** One egress rule. Absent lists mean "none" for hosts and ports, "all" for methods and paths. */
export interface Route {
  /** Shown in refusals and in the audit log */
  readonly name: string;
  /** Exact names, or `*.suffix` for names below a suffix */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  /** `passthrough` splices TLS or any other TCP; `inspect` terminates TLS with the bottle's own CA */
  readonly mode: 'passthrough' | 'inspect';
  readonly methods?: readonly string[];
  /** Prefixes of the normalised path, each starting with `/`; `*` stands for one segment */
  readonly paths?: readonly string[];
  /** Conditions on parameters of the query; all must hold */
  readonly query?: readonly Condition[];
  /** Conditions on headers, by lower-case name; all must hold */
  readonly headers?: readonly Condition[];
  readonly tenants?: TenantPin;
  readonly budget?: RouteBudget;
  /** Where absent, a WebSocket may be opened only on a route that does not restrict its methods */
  readonly websocket?: boolean;
  /** Whether the server may answer with an event stream; true where absent */
  readonly streaming?: boolean;
  /** What `passthrough` lets TLS do although the name cannot be checked then */
  readonly tls?: readonly ('no-server-name' | 'encrypted-hello')[];
  readonly inject?: CredentialInjection;
  /** The gateway answers in the place of an OAuth token endpoint */
  readonly oauth?: OAuthAnswer;
  /** Stored secrets are looked for in every inspected request, also where absent */
  readonly dataLoss?: DataLossRule;
  /** Dials an upstream without TLS; only for a model server on the host or in the company */
  readonly plainUpstream?: boolean;
  /** Private networks (CIDR) that the name may resolve into; none by default */
  readonly privateNetworks?: readonly string[];
  /** Lets the bottle write to a forge past its gate; a person sets it, by the name of the host */
  readonly forgeWrites?: boolean;
  /** ISO 8601; from then on the route is as good as absent */
  readonly expiresAt?: string;
  /** The same moment by the clock of the boot in which it was set */
  readonly bootEnd?: { readonly boot: string; readonly uptimeMs: number };
}

/** Either one of `values`, exactly once, or not there at all. */
export interface Condition {
  readonly name: string;
  readonly values?: readonly string[];
  readonly absent?: true;
}

/** The path must name one of the tenants in `allow`, at the place that `style` or `after` says. */
export interface TenantPin {
  readonly style?: 'github' | 'github-api' | 'gitlab' | 'gitlab-api' | 's3' | 'npm-scope';
  /** Prefixes of the path after which the tenant stands */
  readonly after?: readonly string[];
  /** `acme` covers all below it, `acme/shop` that one alone */
  readonly allow: readonly string[];
}

/** Limits of one bottle on one route; totals hold for its whole life, also when the gateway restarts. */
export interface RouteBudget {
  /** Requests, or connections in `passthrough` */
  readonly requests?: number;
  readonly requestsPerMinute?: number;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
}

/** What a person has shut, whatever the routes say. */
export interface HostBlock {
  /** Exact name, or `*.suffix` for names below a suffix */
  readonly host: string;
  /** Every port where absent */
  readonly port?: number;
}

/** Deny by default: an empty list of routes reaches nothing. */
export interface EgressPolicy {
  readonly version: 1;
  readonly routes: readonly Route[];
  readonly blocks?: readonly HostBlock[];
  /** Names of the hosts that the project's repository comes from: its gate is the only road to them for writing */
  readonly gateHosts?: readonly string[];
  /** Name of the task, for the commands that refusals print */
  readonly task?: string;
}
