/*
 * Scope: the explicit proxy, for tools that insist on one: CONNECT and absolute-form requests, turned into the same targets that
 * transparent connections have. Out of scope: decisions. Fail-safe direction: any other form of request is refused.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { http } from '../../core/node-http.ts';
import { answerRefusal } from './answer-refusal.ts';
import { type Denied, deny, type EgressTarget } from './decide.ts';
import type { FrontRequest, FrontResponse, RequestOrigin } from './front.ts';
import { readAuthority } from './message.ts';
import { rawRefusal } from './refusal.ts';
import { type ClientLimits, endSlowClients, serverLimits } from './slow-clients.ts';

export interface ProxyHandlers {
  onRequest(request: FrontRequest, response: FrontResponse, origin: RequestOrigin): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, origin: RequestOrigin): void;
  /** Undefined where a tunnel to the target may be made */
  judgeTunnel(target: EgressTarget): Denied | undefined;
  onTunnel(socket: Socket, target: EgressTarget): void;
  onRefusal(target: EgressTarget | undefined, refusal: Denied, request: IncomingMessage): void;
  onClientError(error: Error, socket: Duplex): void;
}

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';
const MAX_HEADER_BYTES = 64 * 1024;

interface ProxyTarget {
  readonly target: EgressTarget;
  readonly requestTarget: string;
}

export class ExplicitProxy {
  readonly #server: Server;
  readonly #handlers: ProxyHandlers;

  constructor(handlers: ProxyHandlers, limits: ClientLimits) {
    this.#handlers = handlers;
    this.#server = http.createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      ...serverLimits(limits),
      requireHostHeader: false,
      noDelay: true,
    });
    endSlowClients(this.#server, limits);
    const onRequest = (request: IncomingMessage, response: FrontResponse): void => this.#request(request, response);
    this.#server.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest);
    this.#server.on('connect', (request, socket, head) => this.#connect(request, socket, head));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('clientError', (error, socket) => handlers.onClientError(error, socket));
  }

  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  #request(request: IncomingMessage, response: FrontResponse): void {
    const read = readAbsoluteForm(request.url ?? '');
    if ('reason' in read) {
      this.#handlers.onRefusal(undefined, read, request);
      answerRefusal(request, response, read);
    } else this.#handlers.onRequest(request, response, { ...read, secure: false });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const read = readAbsoluteForm(request.url ?? '');
    if ('reason' in read) this.#refuse(request, socket, { refusal: read });
    else this.#handlers.onUpgrade(request, socket, head, { ...read, secure: false });
  }

  #connect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = readAuthority(request.url ?? '', undefined);
    if (target === undefined) {
      const message = `\`${(request.url ?? '').slice(0, 100)}\` is not a host name with a port`;
      this.#refuse(request, socket, { refusal: deny('host-invalid', message, 'Write `name:port`; an IP address is never reached.') });
      return;
    }
    const refusal = this.#handlers.judgeTunnel(target);
    if (refusal !== undefined) {
      this.#refuse(request, socket, { target, refusal });
      return;
    }
    socket.write(ESTABLISHED);
    if (head.length > 0) socket.unshift(head);
    this.#handlers.onTunnel(socket as Socket, target);
  }

  #refuse(
    request: IncomingMessage,
    socket: Duplex,
    { target, refusal }: { readonly target?: EgressTarget; readonly refusal: Denied },
  ): void {
    this.#handlers.onRefusal(target, refusal, request);
    socket.end(rawRefusal(refusal), () => socket.destroy());
  }
}

/** Reads `http://name[:port]/path`. */
function readAbsoluteForm(url: string): ProxyTarget | Denied {
  const [, scheme, authority, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(url) ?? [];
  if (scheme === undefined || authority === undefined)
    return deny(
      'host-invalid',
      'this is a proxy, and the request names no absolute URL',
      'Send `GET http://name/path` or `CONNECT name:443`.',
    );
  if (scheme.toLowerCase() !== 'http')
    return deny('tunnel-not-allowed', `a proxied request for \`${scheme.slice(0, 20)}:\` is made with CONNECT`, 'Use CONNECT.');
  const target = readAuthority(authority, 80);
  if (target === undefined)
    return deny('host-invalid', `\`${authority.slice(0, 100)}\` is not a host name`, 'Write a name; an IP address is never reached.');
  const requestTarget = rest === undefined || rest === '' ? '/' : rest.startsWith('/') ? rest : `/${rest}`;
  return { target, requestTarget };
}
