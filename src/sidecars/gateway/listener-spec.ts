import { SEALED } from './gateway-plan.ts';

/** One listening socket in the bottle's namespace. */
export interface ListenerSpec {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
}

/** What the gateway asks of its helper: sockets that listen, and unbound TCP sockets for ports that a later policy names. */
export interface HelperOrder {
  readonly specs: readonly ListenerSpec[];
  readonly spares: number;
}

/** What the helper tells the gateway; `open` and `spare` carry the socket itself. */
export type HelperMessage =
  | { readonly kind: 'open'; readonly spec: ListenerSpec }
  | { readonly kind: 'spare' }
  | { readonly kind: 'failed'; readonly reason: string };

const ANY = '0.0.0.0';
/** Open in every bottle: almost every host that is allowed while an agent works has them. */
const USUAL_PORTS = [80, 443];

/**
 * The sockets for a policy: terok's own services, and one on every address for the usual ports and each port that a route names. A service whose port a
 * route names too shares the one socket; the local address of a connection tells which was meant.
 */
export function listenerSpecs(ports: readonly number[], hasGate: boolean): ListenerSpec[] {
  const services: [number, string][] = [
    [SEALED.dnsPort, SEALED.serviceAddress],
    [SEALED.controlPort, SEALED.serviceAddress],
    [SEALED.proxyPort, SEALED.serviceAddress],
    ...(hasGate ? [[SEALED.gatePort, SEALED.gateAddress] as [number, string]] : []),
  ];
  const tcp = new Map([...services, ...[...USUAL_PORTS, ...ports].map((port): [number, string] => [port, ANY])]);
  return [
    { protocol: 'udp', address: SEALED.serviceAddress, port: SEALED.dnsPort },
    ...[...tcp].map(([port, address]): ListenerSpec => ({ protocol: 'tcp', address, port })),
  ];
}

export function specKey({ protocol, address, port }: ListenerSpec): string {
  return `${protocol} ${address}:${port}`;
}
