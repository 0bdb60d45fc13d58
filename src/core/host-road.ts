/*
 * Scope: how programs of the host itself reach a server: through the proxy of a company or directly, and whom they trust.
 * Out of scope: what a bottle may reach. Fail-safe direction: where a proxy is named, nothing but its exceptions goes past it.
 */
import type https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { hostPatternCovers } from './host-name.ts';
import { hostRoots } from './host-roots.ts';
import { connectThroughProxy, type ProxyLogin, withoutBrackets } from './proxy-connect.ts';
import type { UpstreamProxy } from './upstream-proxy.ts';

export interface HostRoad {
  /** PEM of CAs trusted beside those of the host */
  readonly extraCaPem?: string;
  readonly proxy?: RoadProxy;
}

export interface RoadProxy extends Pick<UpstreamProxy, 'url' | 'noProxy'> {
  readonly login?: ProxyLogin;
}

/** The proxy on the way to a host; undefined where it is reached directly, as is the loopback of this machine. */
export function proxyTo(hostname: string, { proxy }: HostRoad): RoadProxy | undefined {
  if (proxy === undefined || isLoopback(hostname)) return undefined;
  return proxy.noProxy.some((pattern) => pattern === '*' || hostPatternCovers(pattern, hostname)) ? undefined : proxy;
}

const DEFAULT_PORTS = { http: 80, https: 443 };

/** A connection through the proxy; undefined where none is in between. */
export async function openTunnel(url: URL, road: HostRoad, timeoutMs: number): Promise<net.Socket | undefined> {
  const proxy = proxyTo(url.hostname, road);
  if (proxy === undefined) return undefined;
  const port = url.port === '' ? DEFAULT_PORTS[url.protocol === 'https:' ? 'https' : 'http'] : Number(url.port);
  return await connectThroughProxy(proxy.url, { name: url.hostname, port }, { login: proxy.login, timeoutMs });
}

/** How a request to an address goes over a tunnel, or directly, and whom it trusts. */
export function roadOptions(url: URL, { extraCaPem }: HostRoad, tunnel: net.Socket | undefined): https.RequestOptions {
  if (url.protocol !== 'https:') return tunnel === undefined ? { agent: false } : { createConnection: () => tunnel };
  const ca = [...hostRoots(), ...(extraCaPem === undefined ? [] : [extraCaPem])];
  if (tunnel === undefined) return { ca, agent: false };
  const host = withoutBrackets(url.hostname);
  // An address is no name of TLS; the certificate is held against `host` then
  return { createConnection: () => tls.connect({ ca, socket: tunnel, host, servername: net.isIP(host) === 0 ? host : '' }) };
}

/** @param hostname of an address */
export function isLoopback(hostname: string): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
}
