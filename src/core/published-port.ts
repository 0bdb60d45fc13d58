import type { PublishedPort } from './bottle.ts';
import { TerokError } from './errors.ts';

const LARGEST = 65_535;
/** A web interface, its API and a debugger are three; a list that is much longer is a mistake. */
export const MAX_PUBLISHED_PORTS = 64;

/** Throws USAGE for what is no TCP port. */
export function assertPort(port: number): void {
  if (isPort(port)) return;
  throw new TerokError('USAGE', `A port is a whole number from 1 to ${LARGEST}; got \`${port}\`.`);
}

/** `3000`, or `8080:3000` for port 3000 of the bottle on port 8080 here; undefined for anything else. */
export function parsePublishedPort(text: string): PublishedPort | undefined {
  const [, host, inside] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(inside);
  const hostPort = host === undefined ? port : Number(host);
  return isPort(port) && isPort(hostPort) ? { hostPort, port } : undefined;
}

/** Each once, in order. Throws INVALID_CONFIG where two ports of the bottle ask for one of the host. */
export function mergePorts(...lists: readonly (readonly PublishedPort[])[]): readonly PublishedPort[] {
  const merged = new Map<number, PublishedPort>();
  for (const wish of lists.flat()) {
    const known = merged.get(wish.hostPort) ?? wish;
    if (known.port !== wish.port)
      throw new TerokError(
        'INVALID_CONFIG',
        `Ports ${known.port} and ${wish.port} of the bottle both ask for port ${wish.hostPort} here.`,
        {
          context: { hostPort: wish.hostPort },
          hint: `Give one of them another port, such as \`--publish ${wish.hostPort + 1}:${wish.port}\`.`,
        },
      );
    merged.set(wish.hostPort, known);
  }
  if (merged.size > MAX_PUBLISHED_PORTS)
    throw new TerokError('INVALID_CONFIG', `A bottle has at most ${MAX_PUBLISHED_PORTS} published ports; got ${merged.size}.`);
  return [...merged.values()];
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= LARGEST;
}
