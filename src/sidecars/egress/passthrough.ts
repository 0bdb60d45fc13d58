/*
 * Scope: a connection that is joined to its server unread, after a look at the TLS server name.
 * Out of scope: what is said inside; an encrypted ClientHello can name another site of the same server, so a route that matters
 * uses `inspect`. Fail-safe direction: TLS for another name, or without a name, is never joined.
 */
import type { Socket } from 'node:net';
import type { RouteMeter } from './budgets.ts';
import type { EgressTarget } from './decide.ts';
import { type FirstBytes, peekFirstBytes } from './first-bytes.ts';
import { type SpliceFilters, splice } from './splice.ts';
import { MeterStage, transformOf } from './stages.ts';

export interface PassThroughOptions {
  readonly dial: () => Promise<Socket>;
  /** Counts the bytes where the route limits them */
  readonly count?: RouteMeter;
  /** The client began TLS for another name after the server had greeted */
  readonly onTlsName: (serverName: string | undefined) => void;
}

/** A client that waits for the server's greeting, and then for its user. */
const CLIENT_SILENCE_MS = 24 * 3_600_000;

/** Joins the connection to its server; where the client has not spoken yet, the server may greet first. */
export async function passThrough(
  client: Socket,
  target: EgressTarget,
  first: FirstBytes,
  { dial, onTlsName, count }: PassThroughOptions,
): Promise<void> {
  const upstream = await dial();
  if (client.destroyed) {
    upstream.destroy();
    return;
  }
  if (first.kind !== 'silent') {
    splice(client, upstream, counting(count));
    return;
  }
  upstream.on('error', () => client.destroy());
  const greet = (chunk: Buffer): void => {
    if (count?.down(chunk.length) === undefined) client.write(chunk);
    else upstream.destroy();
  };
  upstream.on('data', greet).once('close', () => client.destroySoon());
  const spoken = await peekFirstBytes(client, CLIENT_SILENCE_MS);
  upstream.pause().off('data', greet);
  const isOther = spoken.kind === 'hello' && spoken.serverName?.toLowerCase() !== target.name;
  if (spoken.kind === 'closed' || spoken.kind === 'silent') upstream.destroy();
  else if (isOther || spoken.kind === 'invalid') {
    upstream.destroy();
    onTlsName(spoken.kind === 'hello' ? spoken.serverName : undefined);
  } else splice(client, upstream, counting(count));
}

function counting(count: RouteMeter | undefined): SpliceFilters {
  return count === undefined ? {} : { up: [transformOf([new MeterStage(count.up)])], down: [transformOf([new MeterStage(count.down)])] };
}
