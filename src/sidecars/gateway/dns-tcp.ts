import type { Socket } from 'node:net';
import { MAX_QUERY_BYTES } from './dns-responder.ts';

/** A resolver asks at once and closes. */
const IDLE_MS = 5_000;

/** Serves DNS over TCP (two bytes of length before each message) on one connection. */
export function serveDnsConnection(socket: Socket, answer: (message: Buffer) => Buffer | undefined): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2) {
      const length = pending.readUInt16BE(0);
      if (length === 0 || length > MAX_QUERY_BYTES) return void socket.destroy();
      if (pending.length < 2 + length) return;
      const reply = answer(pending.subarray(2, 2 + length));
      pending = pending.subarray(2 + length);
      if (reply === undefined) return void socket.destroy();
      socket.write(Buffer.concat([lengthOf(reply), reply]));
    }
  });
}

function lengthOf(message: Buffer): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(message.length);
  return bytes;
}
