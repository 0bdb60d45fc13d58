import type { Duplex, Transform } from 'node:stream';

/** Joins two connections with back-pressure; a half-close passes on, an error or close of one destroys the other. */
export function splice(client: Duplex, upstream: Duplex, filter?: Transform): void {
  const end = (): void => {
    client.destroy();
    upstream.destroy();
    filter?.destroy();
  };
  client.on('error', end).on('close', end);
  upstream.on('error', end).on('close', end);
  client.pipe(upstream);
  if (filter === undefined) upstream.pipe(client);
  else upstream.pipe(filter.on('error', end)).pipe(client);
}
