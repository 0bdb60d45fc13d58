/*
 * Scope: which connections of the host carry a bottle's requests: kept apart by name, port and rule, so that no request uses a
 * connection that was made under another. Out of scope: the protocols. Fail-safe direction: what cannot be dialled is an error.
 */
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { EgressTarget } from './decide.ts';
import type { Dial } from './dial.ts';
import { Http1Transport } from './http1-transport.ts';
import { Http2Transport } from './http2-transport.ts';
import { ServerTransport } from './server-transport.ts';
import type { Transport } from './transport.ts';
import { UpstreamTls } from './upstream-tls.ts';

/** How an upstream connection is made; part of the key, so that no request uses a connection of another rule. */
export interface UpstreamOptions {
  readonly secure: boolean;
  readonly privateNetworks: readonly string[];
}

const MAX_SERVERS = 128;

export class Upstreams {
  readonly #dial: Dial;
  readonly #tls: UpstreamTls;
  readonly #servers = new Map<string, ServerTransport>();

  constructor(options: { readonly dial: Dial; readonly upstreamCaPem?: string }) {
    this.#dial = options.dial;
    this.#tls = new UpstreamTls(options.upstreamCaPem);
  }

  dial(target: EgressTarget, privateNetworks: readonly string[]): Promise<net.Socket> {
    return this.#dial(target, privateNetworks);
  }

  /** Carries HTTP requests to one server on connections that are kept alive. */
  transport(target: EgressTarget, options: UpstreamOptions): Transport {
    const key = `${target.name}:${target.port} ${options.secure} ${options.privateNetworks.join(' ')}`;
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const server = this.#makeTransport(target, options);
    this.#servers.set(key, server);
    this.#evictServers();
    return server;
  }

  close(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
  }

  #makeTransport(target: EgressTarget, { secure, privateNetworks }: UpstreamOptions): ServerTransport {
    const open = async (protocols: readonly string[]): Promise<TLSSocket> =>
      this.#tls.secure(await this.#dial(target, privateNetworks), target, protocols);
    if (!secure) return new ServerTransport(new Http1Transport(() => this.#dial(target, privateNetworks)));
    return new ServerTransport(new Http1Transport(() => open(['http/1.1'])), new Http2Transport(() => open(['h2'])));
  }

  /** The oldest goes once nothing runs on it; the map is in order of creation. */
  #evictServers(): void {
    for (const [key, server] of this.#servers) {
      if (this.#servers.size <= MAX_SERVERS) return;
      if (!server.isIdle) continue;
      this.#servers.delete(key);
      server.close();
    }
  }
}
