import type { Readable, Writable } from 'node:stream';

const EARLY_END = 'the request ended before its body did';

export interface BodyPump {
  readonly onChunk: (chunk: Buffer) => void;
  /** All of the body has been handed over */
  readonly onEnd: () => void;
}

/** Moves a body into a request with back-pressure. A body that fails or stops early ends the request, and the other way round it is drained. */
export function pumpBody(body: Readable, into: Writable, { onChunk, onEnd }: BodyPump): void {
  // It may have failed while the connection was being made
  if (body.destroyed && !body.readableEnded) {
    into.destroy(body.errored ?? new Error(EARLY_END));
    return;
  }
  let hasEnded = false;
  body.on('data', (chunk: Buffer) => {
    if (into.destroyed || into.writableEnded) return;
    onChunk(chunk);
    if (!into.write(chunk)) body.pause();
  });
  into.on('drain', () => body.resume());
  // A server that answered early wants no more of it
  into.on('close', () => body.resume());
  body.once('end', () => {
    hasEnded = true;
    if (!into.destroyed) onEnd();
  });
  body.once('error', (error) => into.destroy(error));
  body.once('close', () => {
    if (!hasEnded) into.destroy(new Error(EARLY_END));
  });
}
