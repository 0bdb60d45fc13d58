import type { Duplex, Transform } from 'node:stream';

/** What each direction passes through on its way. */
export interface SpliceFilters {
  readonly up?: Transform;
  readonly down?: Transform;
}

/** Joins two connections with back-pressure; a half-close passes on, an error or close of one destroys the other. */
export function splice(client: Duplex, upstream: Duplex, { up, down }: SpliceFilters = {}): void {
  const parts = [client, upstream, ...(up === undefined ? [] : [up]), ...(down === undefined ? [] : [down])];
  const end = (): void => {
    for (const part of parts) part.destroy();
  };
  for (const part of parts) part.on('error', end);
  client.on('close', end);
  upstream.on('close', end);
  (up === undefined ? client : client.pipe(up)).pipe(upstream);
  (down === undefined ? upstream : upstream.pipe(down)).pipe(client);
}
