/*
 * Scope: the server that a bottle sees under one name and port: TLS with a certificate of the bottle's own CA, HTTP/2 and HTTP/1.1.
 * Out of scope: decisions. Fail-safe direction: the caller has checked that the client asks for exactly this name.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import {
  type BottleCa,
  type CertificateBuilder,
  type CertificateIssuer,
  issuerOf,
  loadCertificateBuilder,
} from '../../core/certificate.ts';
import { http } from '../../core/node-http.ts';
import type { EgressTarget } from './decide.ts';
import { type BareRequest, serveBareRequests } from './http1/bare-front.ts';
import type { BareResponse } from './http1/bare-response.ts';
import { type ClientLimits, endSlowClients, serverLimits } from './slow-clients.ts';

export type FrontRequest = IncomingMessage | http2.Http2ServerRequest | BareRequest;
export type FrontResponse = ServerResponse | http2.Http2ServerResponse | BareResponse;

export function isHttp2(response: FrontResponse): response is http2.Http2ServerResponse {
  return 'stream' in response && response.stream !== undefined;
}

/** Which connection a request came on; the proxy gives the target that the request's URL names. */
export interface RequestOrigin {
  readonly target: EgressTarget;
  /** The bottle speaks TLS */
  readonly secure: boolean;
  /** Origin-form target where the request line has another form */
  readonly requestTarget?: string;
}

export interface FrontHandlers {
  onRequest(request: FrontRequest, response: FrontResponse, origin: RequestOrigin): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, origin: RequestOrigin): void;
  onTunnel(socket: Duplex, target: EgressTarget): void;
  /** The client sent what is no HTTP, or did not finish the TLS handshake */
  onClientError(error: Error, socket: Duplex, target?: EgressTarget): void;
}

const DAY_MS = 86_400_000;
/** Below the 100 days that some clients accept from a private CA, with room for a wrong clock. */
const LEAF_DAYS = 90;
const LEAF_AGE_MS = 30 * DAY_MS;
const MAX_FRONTS = 256;
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_STREAMS = 128;

interface Front {
  readonly secure: http2.Http2SecureServer;
  readonly madeAt: number;
}

export class Fronts {
  readonly #issuer: CertificateIssuer;
  readonly #handlers: FrontHandlers;
  readonly #limits: ClientLimits;
  readonly #fronts = new Map<string, Front>();
  readonly #plain = new Map<string, Server>();
  #tools:
    | Promise<{
        readonly build: CertificateBuilder;
        readonly privateKey: KeyObject;
        readonly publicKey: KeyObject;
        readonly keyPem: string;
      }>
    | undefined;

  constructor(ca: BottleCa, handlers: FrontHandlers, limits: ClientLimits) {
    this.#limits = limits;
    this.#issuer = issuerOf(ca);
    this.#handlers = handlers;
  }

  /** Terminates TLS on a connection whose ClientHello names `target.name`. */
  async acceptSecure(socket: Socket, target: EgressTarget): Promise<void> {
    const front = await this.#frontOf(target);
    if (!socket.destroyed) front.secure.emit('connection', socket);
  }

  acceptPlain(socket: Socket, target: EgressTarget): void {
    const key = `${target.name}:${target.port}`;
    let server = this.#plain.get(key);
    if (server === undefined) {
      server = configure(http.createServer({ ...HTTP1_OPTIONS, ...serverLimits(this.#limits) }), this.#handlers, target, false);
      endSlowClients(server, this.#limits);
      this.#plain.set(key, server);
      const [oldest] = this.#plain;
      if (this.#plain.size > MAX_FRONTS && oldest !== undefined) {
        this.#plain.delete(oldest[0]);
        oldest[1].close();
      }
    }
    const served = server;
    serveBareRequests(socket, {
      onRequest: (request, response) => this.#handlers.onRequest(request, response, { target, secure: false }),
      handOver: () => void served.emit('connection', socket),
      limits: this.#limits,
    });
  }

  async #frontOf(target: EgressTarget): Promise<Front> {
    this.#tools ??= loadTools();
    const { build, publicKey, keyPem } = await this.#tools;
    const key = `${target.name}:${target.port}`;
    const known = this.#fronts.get(key);
    if (known !== undefined && isFresh(known)) {
      this.#fronts.delete(key);
      this.#fronts.set(key, known);
      return known;
    }
    const now = Date.now();
    const cert = build(
      {
        subject: target.name,
        publicKey,
        notBefore: new Date(now - DAY_MS),
        notAfter: new Date(now + LEAF_DAYS * DAY_MS),
        use: { kind: 'server', name: target.name },
      },
      this.#issuer,
    );
    const front = { secure: this.#secureServer(target, cert, keyPem), madeAt: now };
    this.#fronts.delete(key);
    known?.secure.close();
    this.#fronts.set(key, front);
    const [oldest] = this.#fronts;
    if (this.#fronts.size > MAX_FRONTS && oldest !== undefined) {
      this.#fronts.delete(oldest[0]);
      oldest[1].secure.close();
    }
    return front;
  }

  #secureServer(target: EgressTarget, cert: string, key: string): http2.Http2SecureServer {
    const server = http2.createSecureServer({
      allowHTTP1: true,
      cert,
      key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: this.#limits.handshakeMs,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES, enableConnectProtocol: false },
      ...HTTP1_OPTIONS,
      ...serverLimits(this.#limits),
    } as http2.SecureServerOptions);
    endSlowClients(server, this.#limits);
    this.#serveBare(server, target);
    return configure(server, this.#handlers, target, true);
  }

  /** Puts the short way for plain requests before what the server does with a connection. */
  #serveBare(server: http2.Http2SecureServer, target: EgressTarget): void {
    const serve = server.listeners('secureConnection');
    server.removeAllListeners('secureConnection').on('secureConnection', (socket: TLSSocket) => {
      const handOver = (): void => {
        for (const listener of serve) listener.call(server, socket);
      };
      if (socket.alpnProtocol === 'h2') handOver();
      else
        serveBareRequests(socket, {
          onRequest: (request, response) => this.#handlers.onRequest(request, response, { target, secure: true }),
          handOver,
          limits: this.#limits,
        });
    });
  }
}

/** A clock that was set back would make a certificate of before one of the future. */
function isFresh({ madeAt }: Front): boolean {
  const age = Date.now() - madeAt;
  return age > -DAY_MS / 2 && age < LEAF_AGE_MS;
}

const HTTP1_OPTIONS = {
  maxHeaderSize: MAX_HEADER_BYTES,
  requireHostHeader: false,
  insecureHTTPParser: false,
  noDelay: true,
} as const;

function configure<S extends Server | http2.Http2SecureServer>(
  server: S,
  handlers: FrontHandlers,
  target: EgressTarget,
  secure: boolean,
): S {
  const origin = { target, secure };
  const onRequest = (request: FrontRequest, response: FrontResponse): void => handlers.onRequest(request, response, origin);
  const emitter: NodeJS.EventEmitter = server;
  emitter.on('request', onRequest).on('checkContinue', onRequest).on('checkExpectation', onRequest);
  emitter.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => handlers.onUpgrade(request, socket, head, origin));
  emitter.on('connect', (request: FrontRequest, peer: Duplex | http2.Http2ServerResponse) => {
    if (peer instanceof http2.Http2ServerResponse) onRequest(request, peer);
    else handlers.onTunnel(peer, target);
  });
  emitter.on('clientError', (error: Error, socket: Duplex) => handlers.onClientError(error, socket, target));
  return server;
}

/** One key for all leaves of this process: a key per name would protect nothing more. */
async function loadTools() {
  const [build, { privateKey, publicKey }] = await Promise.all([
    loadCertificateBuilder(),
    promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }),
  ]);
  return { build, privateKey, publicKey, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
