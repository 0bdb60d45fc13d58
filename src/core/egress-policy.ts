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
  /** Prefixes of the normalised path, each starting with `/` */
  readonly paths?: readonly string[];
  readonly inject?: CredentialInjection;
  /** Dials an upstream without TLS; only for a model server on the host or in the company */
  readonly plainUpstream?: boolean;
  /** Private networks (CIDR) that the name may resolve into; none by default */
  readonly privateNetworks?: readonly string[];
}

/** A credential that the gateway adds outside the bottle. The value is read from the vault by the gateway alone. */
export interface CredentialInjection {
  /** Name of the secret in the vault */
  readonly secret: string;
  /** Lower-case header name, for example `x-api-key` or `authorization` */
  readonly header: string;
  /** Text before the value, for example `Bearer ` */
  readonly prefix?: string;
  /** The worthless token that the bottle must present in that header; without it the request is refused */
  readonly phantom: string;
}

/** Deny by default: an empty list of routes reaches nothing. */
export interface EgressPolicy {
  readonly version: 1;
  readonly routes: readonly Route[];
}
