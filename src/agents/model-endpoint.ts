/*
 * Scope: from the address of a model server to the one egress route that reaches it.
 * Out of scope: where the address comes from; only the user's own configuration may give one, never a repository.
 * Fail-safe direction: an address that is not plainly a host name with http or https is refused.
 */
import { type CredentialInjection, type CredentialPlace, parseHostName, type Route, TerokError } from '../core/index.ts';
import type { AgentCredential } from './credential-schema.ts';

/** A user's own model server for one agent. */
export interface EndpointOverride {
  /** Address with or without a final `/v1` */
  readonly endpoint: string;
  /** Private networks (CIDR) that its name may resolve into */
  readonly privateNetworks?: readonly string[];
}

/** The worthless tokens of one OAuth secret in one bottle. */
export interface OAuthPhantoms {
  readonly access: string;
  readonly refresh: string;
}

/** An address without its final `/v1` and slash, so that every agent can append what it needs. */
export function baseOf(endpoint: string): string {
  return endpoint.replace(/\/+$/, '').replace(/\/v1$/, '');
}

/** The route to a credential's endpoint; with `phantom`, the gateway swaps it for the secret there. */
export function routeFor(name: string, credential: AgentCredential, phantom: string | undefined, override?: EndpointOverride): Route {
  const url = parseEndpoint(override?.endpoint ?? credential.endpoint);
  const basePath = new URL(baseOf(url.href)).pathname.replace(/\/+$/, '');
  const plain = url.protocol === 'http:';
  return {
    name,
    hosts: [url.hostname],
    ports: [Number(url.port) || (plain ? 80 : 443)],
    mode: 'inspect',
    paths: credential.paths.map((path) => `${basePath}${path}`),
    ...(phantom === undefined ? {} : { inject: injection(credential, phantom) }),
    ...(plain ? { plainUpstream: true } : {}),
    ...(override?.privateNetworks === undefined ? {} : { privateNetworks: override.privateNetworks }),
  };
}

/** The route to an OAuth token endpoint, which the gateway answers in the place of its server. */
export function tokenRouteFor(name: string, { secret, login }: AgentCredential, phantoms: OAuthPhantoms): Route | undefined {
  if (login === undefined) return undefined;
  const url = parseEndpoint(login.tokenEndpoint);
  return {
    name,
    hosts: [url.hostname],
    ports: [Number(url.port) || 443],
    mode: 'inspect',
    methods: ['POST'],
    paths: [url.pathname],
    oauth: { secret, refreshPhantom: phantoms.refresh, accessPhantom: phantoms.access },
  };
}

function injection(credential: AgentCredential, phantom: string): CredentialInjection {
  return { secret: credential.secret, phantom, ...placeOf(credential) };
}

function placeOf({ header, prefix, basicUser, queryParameter }: AgentCredential): CredentialPlace {
  if (header !== undefined) return { header, ...(prefix === undefined ? {} : { prefix }) };
  if (basicUser !== undefined) return { basicUser };
  return queryParameter === undefined ? { awsSigV4: true } : { queryParameter };
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) throw refused(endpoint, 'is an `http` or `https` address');
  if (url.username !== '' || url.password !== '') throw refused(`${url.protocol}//…@${url.host}`, 'carries no user or password');
  if (url.search !== '' || url.hash !== '') throw refused(endpoint, 'has no query and no fragment');
  if (!parseHostName(url.hostname).ok)
    throw refused(endpoint, 'names its host, because a bottle reaches names only; an IP address needs a name in `/etc/hosts`');
  return url;
}

function refused(endpoint: string, rule: string): TerokError {
  return new TerokError('INVALID_CONFIG', `The endpoint of a model ${rule}; got \`${endpoint}\`.`, {
    hint: 'Correct `models` in the configuration.',
  });
}
