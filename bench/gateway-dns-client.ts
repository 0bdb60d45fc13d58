/* Runs inside a sealed network: asks its name server one question after the other and prints the round trips in milliseconds. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import dnsPacket from 'dns-packet';

const QUESTIONS = 300;
const socket = createSocket('udp4');
const query = dnsPacket.encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'example.com' }] });
const trips: number[] = [];
for (let index = 0; index < QUESTIONS; index += 1) {
  const began = performance.now();
  socket.send(query, 53, '198.18.0.1');
  await once(socket, 'message');
  trips.push(performance.now() - began);
}
socket.close();
process.stdout.write(JSON.stringify(trips));
