/*
 * Scope: does TLS ask for the name that its connection is meant for? Out of scope: what follows the ClientHello. Fail-safe direction: no
 * name, another name, or a name that may be hidden (Encrypted Client Hello) is refused, unless a route for unread bytes takes it on itself.
 * `inspect` ends TLS itself and speaks no Encrypted Client Hello, so that a client which only pretends to goes on without.
 */
import type { ClientHello } from './client-hello.ts';
import { type ConnectionDecision, type Denied, deny, type EgressTarget } from './decide.ts';

export function tlsNameRefusal(
  { serverName, isEncrypted }: Extract<ClientHello, { kind: 'hello' }>,
  target: EgressTarget,
  decision: ConnectionDecision,
): Denied | undefined {
  const joined = decision.allow && decision.mode === 'passthrough' ? decision.routes[0] : undefined;
  const pins = joined?.tls ?? [];
  if (isEncrypted && joined !== undefined) {
    if (pins.includes('encrypted-hello')) return undefined;
    const message = `TLS for \`${target.name}\` may hide another name (Encrypted Client Hello)`;
    return deny('tls-name-encrypted', message, `A person adds \`tls: [encrypted-hello]\` to the route \`${joined.name}\`.`);
  }
  if (serverName === undefined) {
    if (pins.includes('no-server-name')) return undefined;
    return deny('tls-name-missing', `TLS without a server name on a connection for \`${target.name}\``, 'Send the server name.');
  }
  if (serverName.toLowerCase() === target.name) return undefined;
  const seen = serverName.slice(0, 100);
  return deny('host-mismatch', `TLS with the server name \`${seen}\` on a connection for \`${target.name}\``, 'Connect to that name.');
}
