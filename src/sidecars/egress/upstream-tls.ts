/*
 * Scope: TLS with servers that a decision allowed. Out of scope: the connection below. Fail-safe direction: no valid certificate for
 * exactly this name, no bytes.
 */
import type net from 'node:net';
import tls from 'node:tls';
import { systemCodeOf } from '../../core/errors.ts';
import { hostRoots } from '../../core/host-roots.ts';
import type { EgressTarget } from './decide.ts';
import { DIAL_TIMEOUT_MS } from './dial.ts';
import { UpstreamError } from './upstream-error.ts';

const MAX_SESSIONS = 128;
const NO_COMMON_PROTOCOL = /NO_APPLICATION_PROTOCOL/;

export class UpstreamTls {
  readonly #extraCaPem: string | undefined;
  readonly #sessions = new Map<string, Buffer>();
  #trust: tls.SecureContext | undefined;

  constructor(extraCaPem: string | undefined) {
    this.#extraCaPem = extraCaPem;
  }

  /** Offers these protocols, in this order. */
  secure(socket: net.Socket, { name, port }: EgressTarget, protocols: readonly string[]): Promise<tls.TLSSocket> {
    const key = `${name}:${port}`;
    const session = this.#sessions.get(key);
    const secured = tls.connect({
      socket,
      servername: name,
      secureContext: this.#secureContext(),
      ALPNProtocols: [...protocols],
      ...(session === undefined ? {} : { session }),
    });
    secured.on('session', (ticket: Buffer) => {
      if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
      this.#sessions.set(key, ticket);
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => secured.destroy(new Error('the TLS handshake took too long')), DIAL_TIMEOUT_MS);
      const onError = (error: Error): void => {
        clearTimeout(timer);
        reject(failureOf(error, secured, key));
      };
      secured.once('error', onError);
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.off('error', onError);
        resolve(secured);
      });
    });
  }

  #secureContext(): tls.SecureContext {
    this.#trust ??= tls.createSecureContext({ ca: [...hostRoots(), ...(this.#extraCaPem === undefined ? [] : [this.#extraCaPem])] });
    return this.#trust;
  }
}

function failureOf(error: Error, socket: tls.TLSSocket, key: string): UpstreamError {
  const code = systemCodeOf(error) ?? error.message;
  const isUntrusted = socket.authorizationError !== null && socket.authorizationError !== undefined;
  return new UpstreamError(isUntrusted ? 'upstream-untrusted' : 'upstream-failed', `TLS with \`${key}\` failed (${code})`, {
    cause: error,
    needsHttp2: NO_COMMON_PROTOCOL.test(code),
  });
}
