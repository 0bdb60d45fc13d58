// What the gateway does for the exec channel, and nothing else: runs in the bottle's network namespace, pairs each client of the
// unix socket with the idle connection of the bottle's init.
import { createServer, type Socket } from 'node:net';

const [socketPath, readyText = 'ready'] = process.argv.slice(2);
const idle: Socket[] = [];
const waiting: Socket[] = [];

const control = createServer({ pauseOnConnect: true }, (connection) => {
  connection.on('error', () => connection.destroy());
  connection.setNoDelay(true);
  const client = waiting.shift();
  if (client === undefined) idle.push(connection);
  else join(client, connection);
});
const clients = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => {
  client.on('error', () => client.destroy());
  const connection = idle.shift();
  if (connection === undefined) waiting.push(client);
  else join(client, connection);
});

function join(client: Socket, connection: Socket): void {
  connection.write('g');
  client.pipe(connection).pipe(client);
  client.on('close', () => connection.destroy());
  connection.on('close', () => client.destroy());
}

control.listen(2022, '198.18.0.1', () => clients.listen(socketPath, () => process.stdout.write(`${readyText}\n`)));
