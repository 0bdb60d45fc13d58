import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Bottle, HOST_LOOPBACK_NAME, type Route } from '../../src/core/index.ts';
import { lanAddress, listenTcp, reachesTcp } from '../conformance/support/host.ts';
import { shOutput } from '../conformance/support/in-bottle.ts';

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

export interface HostServers extends AsyncDisposable {
  /** Leads to the first server */
  readonly route: Route;
  /** What the server behind the route was asked for */
  readonly seen: readonly string[];
  /** Connections that came to the server that no route leads to */
  readonly strangers: () => number;
  /** Starts a program in the bottle that tries to reach both of them for as long as it lives */
  tryRoads(bottle: Bottle): Promise<void>;
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
  return {
    route: { name: 'host', hosts: [HOST_LOOPBACK_NAME], ports: [port], mode: 'inspect', privateNetworks: ['127.0.0.1/32'] },
    seen,
    strangers: () => other.seen() - addresses.length,
    tryRoads: async (bottle) => {
      // it must outlive the connection that starts it
      const start = 'setsid bash -c "$0" "$@" >~/roads 2>&1 </dev/null &';
      await shOutput(bottle, start, [TRY_ROADS, String(port), String(other.port), ...addresses]);
    },
    [Symbol.asyncDispose]: async () => {
      allowed.close();
      allowed.closeAllConnections();
      await other.close();
    },
  };
}
