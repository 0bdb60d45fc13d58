import type { Duplex, Transform } from 'node:stream';

/** What each direction passes through on its way, in order. */
export interface SpliceFilters {
  readonly up?: readonly Transform[];
  readonly down?: readonly Transform[];
}

/** Joins two connections with back-pressure; a half-close passes on, an error or close of one destroys the other. */
export function splice(client: Duplex, upstream: Duplex, { up = [], down = [] }: SpliceFilters = {}): void {
  const parts = [client, upstream, ...up, ...down];
  const end = (): void => {
    for (const part of parts) part.destroy();
  };
  for (const part of parts) part.on('error', end);
  client.on('close', end);
  upstream.on('close', end);
  pipeAll([client, ...up, upstream]);
  pipeAll([upstream, ...down, client]);
}

function pipeAll(chain: readonly Duplex[]): void {
  for (const [index, part] of chain.entries()) {
    const next = chain[index + 1];
    if (next !== undefined) part.pipe(next);
  }
}
