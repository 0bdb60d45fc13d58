/*
 * Scope: listeners on the bottle's loopback address of the host, each of which leads to one port of the bottle's own loopback, over the
 * exec channel. Out of scope: who on this machine connects; every local user can. Fail-safe direction: a port that cannot be opened
 * fails the start of the gateway; a connection that gets no answer from the bottle is reset. The bottle can ask for nothing here.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, systemCodeOf, TerokError } from '../../core/errors.ts';
import type { PublishedPort } from '../../core/index.ts';
import { patient } from '../../core/patience.ts';
import type { GatewayPlan, PublishedPorts } from './gateway-plan.ts';

/** A browser opens some ten for each page. */
const MAX_CONNECTIONS = 256;
/** A stopped bottle does not answer; who connects to it is told soon. */
const ANSWER_MS = patient(10_000);

/** Opens a stream to a port of the bottle, see `Bottle.connect`. */
export type ConnectToBottle = (port: number) => Promise<Duplex>;

/** Opens the ports that a plan publishes; the SSH connection behind them is made for the first client. */
export async function publish({ published, stateDir }: GatewayPlan, execSocket: string): Promise<void> {
  if (published === undefined) return;
  const open = async () => {
    const { loadChannelIdentity, openChannel } = await import('../../exec-channel/index.ts');
    return openChannel({ execSocket, identity: await loadChannelIdentity(stateDir) });
  };
  let channel: ReturnType<typeof open> | undefined;
  await openPublishedPorts(published, async (port) => await (await (channel ??= open())).connect(port));
}

/** Resolves when every port is open; throws GATEWAY_FAILED, with none left open, where one cannot be. */
export async function openPublishedPorts({ address, ports }: PublishedPorts, connect: ConnectToBottle): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const port of ports) servers.push(await listen(address, port, connect));
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

async function listen(address: string, published: PublishedPort, connect: ConnectToBottle): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void serve(client, published.port, connect));
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ host: address, port: published.hostPort, exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    throw cannotListen(error, address, published);
  }
}

async function serve(client: Socket, port: number, connect: ConnectToBottle): Promise<void> {
  client.on('error', () => client.destroy());
  const timer = setTimeout(() => client.resetAndDestroy(), ANSWER_MS);
  try {
    join(client, await connect(port));
  } catch {
    // nothing listens there, or the bottle does not run; the client's reset says so, and the next one tries again
    client.resetAndDestroy();
  } finally {
    clearTimeout(timer);
  }
}

/** Back-pressure and half-closes pass; where one side breaks, the other is reset. */
function join(client: Socket, bottle: Duplex): void {
  bottle.on('error', () => bottle.destroy());
  client.once('close', () => bottle.destroy());
  bottle.once('close', () => (bottle.readableEnded ? client.end() : client.resetAndDestroy()));
  if (client.destroyed) return void bottle.destroy();
  client.pipe(bottle);
  bottle.pipe(client);
}

function cannotListen(error: unknown, address: string, { hostPort, port }: PublishedPort): TerokError {
  const [reason, hint] = {
    EADDRINUSE: ['another program listens there', 'End it, or choose another port'] as const,
    EACCES: ['this user may not listen there', 'Choose a port from 1024 on'] as const,
  }[systemCodeOf(error) ?? ''] ?? [messageOf(error), 'Choose another port'];
  return new TerokError('GATEWAY_FAILED', `Port ${port} of the bottle cannot be published at ${address}:${hostPort}: ${reason}.`, {
    context: { address, hostPort, port },
    hint: `${hint}: \`--publish HOSTPORT:${port}\`, or \`ports\` in the configuration.`,
    cause: error,
  });
}
