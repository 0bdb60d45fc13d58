/*
 * Scope: may the host dial this address because of a bottle? Only addresses of the public internet, and what a route excepts.
 * Out of scope: names. Fail-safe direction: an address that is not understood is refused.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Ranges that a route may open with `privateNetworks`; the policy's schema refuses a network that spans several. */
const EXCEPTABLE = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat', 'linkLocal']);

/**
 * Gives the address in canonical form where it may be dialled, otherwise undefined.
 *
 * @param privateNetworks CIDR exceptions of the route
 * @param ownAddresses canonical addresses of this host, which count as loopback
 */
export function checkedAddress(
  text: string,
  privateNetworks: readonly string[] = [],
  ownAddresses: ReadonlySet<string> = hostAddresses(),
): string | undefined {
  if (isIP(text) === 0 || text.includes('%') || !ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  const range = address.range();
  const canonical = address.toString();
  if (range === 'unicast' && !ownAddresses.has(canonical)) return canonical;
  if (range !== 'unicast' && !EXCEPTABLE.has(range)) return undefined;
  return privateNetworks.some((cidr) => contains(cidr, address)) ? canonical : undefined;
}

/** Every address of this host's interfaces in canonical form. */
export function hostAddresses(): ReadonlySet<string> {
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return new Set(
    own
      .map(({ address }) => address.replace(/%.*$/, ''))
      .filter((address) => ipaddr.isValid(address))
      .map((address) => ipaddr.process(address).toString()),
  );
}

function contains(cidr: string, address: Address): boolean {
  const [network, bits] = ipaddr.parseCIDR(cidr);
  return network.kind() === address.kind() && address.match([network, bits] as [ipaddr.IPv4, number] & [ipaddr.IPv6, number]);
}
