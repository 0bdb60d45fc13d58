// Stands in for the gateway where a test is about the container alone: pairs each client of a unix socket with the idle connection
// of the bottle's init, and serves nothing else.
import { createServer, type Socket } from 'node:net';

const [socketPath = ''] = process.argv.slice(2);
const idle: Socket[] = [];
const waiting: Socket[] = [];

const control = createServer((connection) => {
  connection.on('error', () => connection.destroy());
  // an idle connection whose bottle was stopped must not be given to anyone
  connection.on('close', () => {
    const index = idle.indexOf(connection);
    if (index !== -1) idle.splice(index, 1);
  });
  connection.resume();
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
  connection.pause();
  connection.write('g');
  client.pipe(connection).pipe(client);
  client.on('close', () => connection.destroy());
  connection.on('close', () => client.destroy());
}

control.listen(2022, '198.18.0.1', () => clients.listen(socketPath, () => process.stdout.write('ready\n')));
