/*
 * Scope: a connection that is joined to its server unread, after a look at the TLS server name.
 * Out of scope: what is said inside. Fail-safe direction: TLS for another name, without a name, or with one that may be hidden is not
 * joined, unless the route says so.
 */
import type { Socket } from 'node:net';
import type { RouteMeter } from './budgets.ts';
import { type Denied, deny } from './decide.ts';
import { type FirstBytes, peekFirstBytes } from './first-bytes.ts';
import { type SpliceFilters, splice } from './splice.ts';
import { MeterStage, transformOf } from './stages.ts';

export interface PassThroughOptions {
  readonly dial: () => Promise<Socket>;
  /** Counts the bytes where the route limits them */
  readonly count?: RouteMeter;
  /** Why TLS that begins like this is not joined, otherwise undefined */
  readonly judgeTls: (hello: Extract<FirstBytes, { kind: 'hello' }>) => Denied | undefined;
  /** The client began TLS for another name after the server had greeted */
  readonly onTlsName: (refusal: Denied) => void;
}

export const UNREADABLE_TLS = deny(
  'tls-name-missing',
  'the first bytes are neither plain nor a whole TLS greeting',
  'Send TLS with a server name.',
);

/** A client that waits for the server's greeting, and then for its user. */
const CLIENT_SILENCE_MS = 24 * 3_600_000;

/** Joins the connection to its server; where the client has not spoken yet, the server may greet first. */
export async function passThrough(
  client: Socket,
  first: FirstBytes,
  { dial, judgeTls, onTlsName, count }: PassThroughOptions,
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
  const resume = (): void => void upstream.resume();
  const greet = (chunk: Buffer): void => {
    if (count?.down(chunk.length) !== undefined) upstream.destroy();
    else if (!client.write(chunk)) upstream.pause();
  };
  client.on('drain', resume);
  upstream.on('data', greet).once('close', () => client.destroySoon());
  const spoken = await peekFirstBytes(client, CLIENT_SILENCE_MS);
  client.off('drain', resume);
  upstream.pause().off('data', greet);
  const otherName = spoken.kind === 'hello' ? judgeTls(spoken) : spoken.kind === 'invalid' ? UNREADABLE_TLS : undefined;
  if (spoken.kind === 'closed' || spoken.kind === 'silent') upstream.destroy();
  else if (otherName !== undefined) {
    upstream.destroy();
    onTlsName(otherName);
  } else splice(client, upstream, counting(count));
}

function counting(count: RouteMeter | undefined): SpliceFilters {
  return count === undefined ? {} : { up: [transformOf([new MeterStage(count.up)])], down: [transformOf([new MeterStage(count.down)])] };
}
