/*
 * Scope: connections of the host to servers that a decision allowed: resolve once, check the address, dial exactly that address.
 * Out of scope: what is said on them. Fail-safe direction: no checked address, no connection; no valid certificate, no bytes.
 */
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import tls from 'node:tls';
import { callbackify } from 'node:util';
import type { Pool } from 'undici';
import { messageOf, systemCodeOf } from '../../core/errors.ts';
import { HOST_LOOPBACK_NAME } from '../../core/host-name.ts';
import { checkedAddress } from './address-guard.ts';
import type { EgressTarget } from './decide.ts';
import { hostRoots } from './host-roots.ts';
import type { RefusalReason } from './refusal.ts';

export type ResolveName = (name: string) => Promise<readonly string[]>;

/** How an upstream connection is made; part of the pool's key, so that no request uses a connection of another rule. */
export interface UpstreamOptions {
  readonly secure: boolean;
  readonly privateNetworks: readonly string[];
}

/** A connection that could not be made; `reason` goes to the bottle, the message to the audit log. */
export class UpstreamError extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

const DIAL_TIMEOUT_MS = 10_000;
/** Next address of the same name after this long, so that a dead address family costs little. */
const FALLBACK_TIMEOUT_MS = 2_000;
const MAX_ADDRESSES = 4;
/** One bottle's connections to one server; agents open some tens. */
const MAX_POOL_CONNECTIONS = 128;
const MAX_POOLS = 128;
const MAX_HEADER_BYTES = 64 * 1024;
/** A model may think this long before its first byte, and pause this long. */
const SILENCE_TIMEOUT_MS = 15 * 60_000;

export class Upstreams {
  readonly #resolveName: ResolveName;
  readonly #upstreamCaPem: string | undefined;
  readonly #pools = new Map<string, Pool>();
  readonly #sessions = new Map<string, Buffer>();
  #trust: tls.SecureContext | undefined;
  #poolClass: typeof Pool | undefined;

  constructor(options: { readonly resolveName?: ResolveName; readonly upstreamCaPem?: string }) {
    this.#resolveName = options.resolveName ?? resolveOnHost;
    this.#upstreamCaPem = options.upstreamCaPem;
  }

  /** Connects to the first of the name's addresses that may be dialled. */
  async dial(target: EgressTarget, privateNetworks: readonly string[]): Promise<net.Socket> {
    const addresses = await this.#addressesOf(target.name, privateNetworks);
    let failure: unknown;
    for (const [index, address] of addresses.entries()) {
      try {
        return await connectTo(address, target.port, index === addresses.length - 1 ? DIAL_TIMEOUT_MS : FALLBACK_TIMEOUT_MS);
      } catch (error) {
        failure = error;
      }
    }
    throw new UpstreamError(
      'upstream-failed',
      `\`${target.name}:${target.port}\` did not accept a connection (${systemCodeOf(failure) ?? messageOf(failure)})`,
      failure,
    );
  }

  /** Connections for HTTP requests to one target, kept alive between requests. */
  async pool(target: EgressTarget, options: UpstreamOptions): Promise<Pool> {
    const key = `${target.name}:${target.port} ${options.secure} ${options.privateNetworks.join(' ')}`;
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    this.#poolClass ??= (await import('undici/lib/dispatcher/pool.js')).default;
    const pool = this.#pools.get(key) ?? this.#makePool(this.#poolClass, target, options);
    this.#pools.set(key, pool);
    this.#evictPools();
    return pool;
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #makePool(PoolClass: typeof Pool, target: EgressTarget, options: UpstreamOptions): Pool {
    const scheme = options.secure ? 'https' : 'http';
    return new PoolClass(`${scheme}://${target.name}:${target.port}`, {
      connections: MAX_POOL_CONNECTIONS,
      pipelining: 1,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: SILENCE_TIMEOUT_MS,
      bodyTimeout: SILENCE_TIMEOUT_MS,
      connect: (_options: unknown, done: (error: Error | null, socket: net.Socket | null) => void) =>
        callbackify(() => this.#open(target, options))(done),
    } as Pool.Options);
  }

  async #open(target: EgressTarget, options: UpstreamOptions): Promise<net.Socket> {
    const socket = await this.dial(target, options.privateNetworks);
    return options.secure ? await this.#secure(socket, target) : socket;
  }

  #secure(socket: net.Socket, { name, port }: EgressTarget): Promise<tls.TLSSocket> {
    this.#trust ??= tls.createSecureContext({ ca: [...hostRoots(), ...(this.#upstreamCaPem === undefined ? [] : [this.#upstreamCaPem])] });
    const key = `${name}:${port}`;
    const session = this.#sessions.get(key);
    const secured = tls.connect({
      socket,
      servername: name,
      secureContext: this.#trust,
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
    });
    secured.on('session', (ticket: Buffer) => {
      if (this.#sessions.size >= MAX_POOLS) this.#sessions.clear();
      this.#sessions.set(key, ticket);
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => secured.destroy(new Error('the TLS handshake took too long')), DIAL_TIMEOUT_MS);
      const onError = (error: Error): void => {
        clearTimeout(timer);
        const untrusted = secured.authorizationError !== null && secured.authorizationError !== undefined;
        const code = systemCodeOf(error) ?? error.message;
        reject(new UpstreamError(untrusted ? 'upstream-untrusted' : 'upstream-failed', `TLS with \`${key}\` failed (${code})`, error));
      };
      secured.once('error', onError);
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.off('error', onError);
        resolve(secured);
      });
    });
  }

  async #addressesOf(name: string, privateNetworks: readonly string[]): Promise<readonly string[]> {
    const found =
      name === HOST_LOOPBACK_NAME
        ? ['127.0.0.1']
        : await this.#resolveName(name).catch((error: unknown) => {
            throw new UpstreamError(
              'name-unresolved',
              `the host could not resolve \`${name}\` (${systemCodeOf(error) ?? messageOf(error)})`,
              error,
            );
          });
    if (found.length === 0) throw new UpstreamError('name-unresolved', `\`${name}\` has no address`);
    const checked = found.map((address) => checkedAddress(address, privateNetworks));
    const allowed = checked.filter((address) => address !== undefined);
    if (allowed.length === 0)
      throw new UpstreamError('address-not-allowed', `\`${name}\` resolves to an address that is not on the public internet`);
    return allowed.slice(0, MAX_ADDRESSES);
  }

  /** The oldest pool goes once nothing runs on it; the map is in order of creation. */
  #evictPools(): void {
    for (const [key, pool] of this.#pools) {
      if (this.#pools.size <= MAX_POOLS) return;
      if (pool.stats.running + pool.stats.pending > 0) continue;
      this.#pools.delete(key);
      void pool.close();
    }
  }
}

/** Addresses of a name as this host sees them. */
export async function resolveOnHost(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

function connectTo(address: string, port: number, timeoutMs: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address, port, noDelay: true, keepAlive: true });
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), timeoutMs);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
