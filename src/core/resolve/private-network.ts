import ipaddr from 'ipaddr.js';

const PRIVATE_RANGES = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat', 'linkLocal']);

/** Why a CIDR is no exception that a route may make, otherwise undefined. The whole network must be private. */
export function privateNetworkProblem(cidr: string): string | undefined {
  if (!ipaddr.isValidCIDR(cidr) || !/^[0-9a-f.:]+\/\d{1,3}$/.test(cidr))
    return 'a private network is written as CIDR, such as `192.168.1.0/24`';
  const [address, bits] = ipaddr.parseCIDR(cidr);
  if (address.kind() === 'ipv4' && !ipaddr.IPv4.isValidFourPartDecimal(cidr.split('/')[0] ?? ''))
    return 'an IPv4 network has four decimal parts';
  if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()) return 'an IPv4 network is written in its IPv4 form';
  const first = address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr);
  const last = lastAddress(first, bits);
  const range = first.range();
  return PRIVATE_RANGES.has(range) && last.range() === range
    ? undefined
    : 'the whole network must be private (loopback, RFC 1918, carrier NAT, unique local or link-local)';
}

function lastAddress(first: ipaddr.IPv4 | ipaddr.IPv6, bits: number): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = first.toByteArray().map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, bits - index * 8))));
  return ipaddr.fromByteArray(bytes);
}
