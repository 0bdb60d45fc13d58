import type { Socket } from 'node:net';
import { type ClientHello, MAX_CLIENT_HELLO_BYTES, parseClientHello } from './client-hello.ts';

/** What a client says first. `silent` where it says nothing in time, `closed` where it goes. */
export type FirstBytes = { readonly kind: 'silent' | 'closed' | 'http' | 'other' } | Extract<ClientHello, { kind: 'hello' | 'invalid' }>;

/** Looks at the first bytes of a connection and puts them back, so that whoever takes the socket reads them again. */
export function peekFirstBytes(socket: Socket, timeoutMs: number): Promise<FirstBytes> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (result: FirstBytes): void => {
      clearTimeout(timer);
      socket.off('readable', read).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      if (length > 0 && !socket.destroyed) socket.unshift(Buffer.concat(chunks));
      resolve(result);
    };
    const onEnd = (): void => finish({ kind: 'closed' });
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        chunks.push(chunk);
        length += chunk.length;
      }
      const seen = classify(Buffer.concat(chunks));
      if (seen !== undefined) finish(seen);
      else if (length > MAX_CLIENT_HELLO_BYTES) finish({ kind: 'invalid' });
    };
    const timer = setTimeout(() => finish(length === 0 ? { kind: 'silent' } : { kind: 'invalid' }), timeoutMs);
    socket.on('readable', read).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    if (socket.destroyed || socket.readableEnded) onEnd();
    else read();
  });
}

function classify(bytes: Buffer): FirstBytes | undefined {
  const hello = parseClientHello(bytes);
  if (hello.kind === 'incomplete') return undefined;
  if (hello.kind !== 'not-tls') return hello;
  return { kind: looksLikeHttp(bytes) ? 'http' : 'other' };
}

/** A request line starts with an upper-case method; SSH, database and mail clients do not look like one beyond a few bytes. */
function looksLikeHttp(bytes: Buffer): boolean {
  return /^[A-Z]{1,20}(?: |$)/.test(bytes.subarray(0, 24).toString('latin1'));
}
