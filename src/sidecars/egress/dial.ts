/*
 * Scope: TCP connections of the host for a bottle: resolve once, check the address, dial exactly that address.
 * Out of scope: what is said on them. Fail-safe direction: no checked address, no connection.
 */
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { messageOf, systemCodeOf } from '../../core/errors.ts';
import { HOST_LOOPBACK_NAME } from '../../core/host-name.ts';
import { checkedAddress } from './address-guard.ts';
import type { EgressTarget } from './decide.ts';
import { UpstreamError } from './upstream-error.ts';

export type ResolveName = (name: string) => Promise<readonly string[]>;

/** Opens a connection to a target whose addresses may lie in the given private networks. */
export type Dial = (target: EgressTarget, privateNetworks: readonly string[]) => Promise<net.Socket>;

export const DIAL_TIMEOUT_MS = 10_000;
/** Next address of the same name after this long, so that a dead address family costs little. */
const FALLBACK_TIMEOUT_MS = 2_000;
const MAX_ADDRESSES = 4;

/** Connects to the first of the name's addresses that may be dialled. */
export function directDial(resolveName: ResolveName): Dial {
  return async (target, privateNetworks) => {
    const addresses = await checkedAddresses(target.name, privateNetworks, resolveName);
    let failure: unknown;
    for (const [index, address] of addresses.entries()) {
      try {
        return await connectTo(address, target.port, index === addresses.length - 1 ? DIAL_TIMEOUT_MS : FALLBACK_TIMEOUT_MS);
      } catch (error) {
        failure = error;
      }
    }
    const code = systemCodeOf(failure) ?? messageOf(failure);
    throw new UpstreamError('upstream-failed', `\`${target.name}:${target.port}\` did not accept a connection (${code})`, {
      cause: failure,
    });
  };
}

/** Addresses of a name as this host sees them. */
export async function resolveOnHost(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

/** Those addresses of a name that may be dialled, at least one. */
export async function checkedAddresses(
  name: string,
  privateNetworks: readonly string[],
  resolveName: ResolveName,
): Promise<readonly string[]> {
  const found = name === HOST_LOOPBACK_NAME ? ['127.0.0.1'] : await resolveName(name).catch((error: unknown) => unresolved(name, error));
  if (found.length === 0) throw new UpstreamError('name-unresolved', `\`${name}\` has no address`);
  const allowed = found.map((address) => checkedAddress(address, privateNetworks)).filter((address) => address !== undefined);
  if (allowed.length === 0)
    throw new UpstreamError('address-not-allowed', `\`${name}\` resolves to an address that is not on the public internet`);
  return allowed.slice(0, MAX_ADDRESSES);
}

function unresolved(name: string, error: unknown): never {
  const code = systemCodeOf(error) ?? messageOf(error);
  throw new UpstreamError('name-unresolved', `the host could not resolve \`${name}\` (${code})`, { cause: error });
}

export function connectTo(host: string, port: number, timeoutMs: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true, keepAlive: true });
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
