import { HOST_NAME_RULES, parseHostName } from '../../core/index.ts';

/** A server that packages come from, as a file of the host names it. */
export interface Registry {
  readonly host: string;
  readonly port: number;
  /** Where the host says so, for example `~/.npmrc` */
  readonly from: string;
}

/** An address in the configuration that no route can stand for. */
export interface Skipped {
  /** Without user and password */
  readonly address: string;
  readonly from: string;
  readonly why: string;
}

export interface Registries {
  readonly found: readonly Registry[];
  readonly skipped: readonly Skipped[];
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Reads addresses, each with its origin, as a registry once; where there is none, `advice` says how to name one. */
export function toRegistries(addresses: readonly (readonly [address: string, from: string])[], advice: string): Registries {
  if (addresses.length === 0)
    return { found: [], skipped: [{ address: 'the registry', from: 'this machine', why: `no setting names it; ${advice}` }] };
  const found = new Map<string, Registry>();
  const skipped: Skipped[] = [];
  for (const [address, from] of addresses) {
    const read = readAddress(address);
    if ('why' in read) skipped.push({ address: read.address, from, why: read.why });
    else if (!found.has(`${read.host}:${read.port}`)) found.set(`${read.host}:${read.port}`, { ...read, from });
  }
  return { found: [...found.values()], skipped };
}

function readAddress(text: string): Pick<Registry, 'host' | 'port'> | Pick<Skipped, 'address' | 'why'> {
  const bare = text.replace(/^(?:sparse|registry|git)\+/, '');
  if (!URL.canParse(bare)) return { address: shown(text), why: 'it is no address' };
  const url = new URL(bare);
  const port = url.port === '' ? DEFAULT_PORTS[url.protocol] : Number(url.port);
  if (port === undefined) return { address: shown(text), why: 'it is reached by other means than HTTP' };
  if (url.hostname === 'localhost')
    return { address: shown(text), why: 'it is on this machine; a route for `host.terok.internal` opens it' };
  const host = parseHostName(url.hostname);
  return host.ok ? { host: host.name, port } : { address: shown(text), why: HOST_NAME_RULES[host.problem] };
}

function shown(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//').slice(0, 200);
}
