import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { HOST_LOOPBACK_NAME, type Route } from '../../src/core/index.ts';
import { lanAddress, listenTcp, reachesTcp } from '../conformance/support/host.ts';
import { waitUntil } from '../conformance/support/in-bottle.ts';

/**
 * Tries every road out each half second and notes what came of each: through the gateway by the name of the host and by the proxy, and
 * straight to servers of the host. `$0` is the port that a route allows, `$1` that of another server, the others are addresses.
 */
const TRY_ROADS = `allowed=$0 other=$1 name=${HOST_LOOPBACK_NAME}
shift
read -r synthetic _ < <(getent ahostsv4 "$name")
ask() {
  local answer=closed
  { exec 3<>"/dev/tcp/$2/$3"; } 2>/dev/null && {
    printf 'GET %s HTTP/1.1\\r\\nHost: %s:%s\\r\\nConnection: close\\r\\n\\r\\n' "$4" "$name" "$allowed" >&3
    read -r -t 5 -u 3 answer
    exec 3>&-
  }
  [[ $answer == closed ]] || echo "$n open $1 $answer"
}
exec {never}<> <(:)
trap '' PIPE
for ((n = 0; ; n++)); do
  ask route "$synthetic" "$allowed" "/route/$n"
  ask proxy 198.18.0.1 3128 "http://$name:$allowed/proxy/$n"
  for address in "$@"; do
    ask straight "$address" "$allowed" "/straight/$n"
    ask straight "$address" "$other" "/straight/$n"
  done
  echo "$n tried"
  read -r -t 0.5 -u "$never" _
done`;

/** The machine tries every road out each half second. */
const ROUNDS_WITHOUT_GATEWAY = 10;

export interface HostServers extends AsyncDisposable {
  /** Leads to the first server */
  readonly route: Route;
  /** argv of a command that leaves a program in a bottle which tries to reach both for as long as it lives; its notes are `~/roads` */
  readonly tryRoads: readonly string[];
  /** Requests to the first server in the rounds from `first` on */
  since(first: number): string[];
  /** Requests and connections that took no road through the gateway */
  strangers(): number;
}

/** Two servers of the host, to one of which a route can lead. The host itself reaches the other one. */
export async function openHostServers(): Promise<HostServers> {
  const seen: string[] = [];
  const allowed = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.end('hello');
  });
  await once(allowed.listen(0, '127.0.0.1'), 'listening');
  const { port } = allowed.address() as AddressInfo;
  const other = await listenTcp('0.0.0.0');
  const addresses = ['127.0.0.1', lanAddress()].filter((address) => address !== undefined);
  for (const host of addresses) await reachesTcp({ host, port: other.port });
  // it must outlive the connection that starts it
  const start = 'setsid bash -c "$0" "$@" >~/roads 2>&1 </dev/null &';
  return {
    route: { name: 'host', hosts: [HOST_LOOPBACK_NAME], ports: [port], mode: 'inspect', privateNetworks: ['127.0.0.1/32'] },
    tryRoads: ['sh', '-c', start, TRY_ROADS, String(port), String(other.port), ...addresses],
    since: (first) => seen.filter((url) => Number(url.split('/').at(-1)) >= first),
    strangers: () => other.seen() - addresses.length + seen.filter((url) => url.includes('straight')).length,
    [Symbol.asyncDispose]: async () => {
      allowed.close();
      allowed.closeAllConnections();
      await other.close();
    },
  };
}

/** Waits until the first server was reached by both roads that its route opens, in rounds from `first` on. */
export async function expectRoadsOpen(servers: HostServers, first = 0): Promise<void> {
  const isOpen = (): boolean => ['route', 'proxy'].every((road) => servers.since(first).some((url) => url.includes(road)));
  await waitUntil(isOpen, 15_000, 'the machine reaches the server by the roads that its route opens');
}

/** Waits for some more rounds, of which nothing may arrive, and gives the first. `notes` is the file that the program writes. */
export async function expectNoRoadOpen(servers: HostServers, notes: string): Promise<number> {
  const roundsTried = async (): Promise<number> => (await readFile(notes, 'utf8')).match(/tried/g)?.length ?? 0;
  // the round that was under way does not count
  const first = (await roundsTried()) + 1;
  await waitUntil(async () => (await roundsTried()) >= first + ROUNDS_WITHOUT_GATEWAY, 30_000, 'the machine tries on');
  expect(servers.since(first)).toEqual([]);
  return first;
}
