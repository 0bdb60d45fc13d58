/*
 * Scope: clients that hold a connection and never come to the end of a request's head, byte by byte or in silence. Out of scope: bodies,
 * which may last. Fail-safe direction: a connection on which no request is open ends in time, whatever comes on it.
 */
import type { Server } from 'node:http';
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';

/** How long a client may take. */
export interface ClientLimits {
  /** To say something, where clients speak first: all of the hello of TLS, the beginning of a request */
  readonly firstBytesMs: number;
  /** For TLS after that */
  readonly handshakeMs: number;
  /** From the first byte of a head, or the beginning of a connection, to its end; a look each half of this finds who is late */
  readonly headMs: number;
  /** From one request to the next */
  readonly idleMs: number;
}

export const CLIENT_LIMITS: ClientLimits = { firstBytesMs: 15_000, handshakeMs: 10_000, headMs: 60_000, idleMs: 120_000 };

/** Options of Node's server. `requestTimeout` is off because an upload may last long. */
export function serverLimits({ headMs, idleMs }: ClientLimits) {
  return { headersTimeout: headMs, connectionsCheckingInterval: headMs / 2, requestTimeout: 0, keepAliveTimeout: idleMs } as const;
}

/** For a server that is handed its connections; `close` of the server ends the watch. */
export function endSlowClients(server: Server | Http2SecureServer, limits: ClientLimits): void {
  // Node looks for late heads of HTTP/1.1 from the moment that a server listens, and this one never does
  server.emit('listening');
  server.on('session', (session: ServerHttp2Session) => endSlowSession(session, limits));
}

/** HTTP/2 has no such look in Node: a session without an open stream waits for a preface, settings, the end of a head, or idles. */
function endSlowSession(session: ServerHttp2Session, { headMs, idleMs }: ClientLimits): void {
  let open = 0;
  let limitMs = headMs;
  let since = performance.now();
  session.on('stream', (stream) => {
    open += 1;
    stream.once('close', () => {
      open -= 1;
      limitMs = idleMs;
      since = performance.now();
    });
  });
  const look = setInterval(() => {
    if (open === 0 && performance.now() - since >= limitMs) session.destroy();
  }, headMs / 2).unref();
  session.once('close', () => clearInterval(look));
}
