import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RedBench } from '../bench/index.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export const GREETING = 'target reached\n';

/** A server of the outside world, on the loopback: HTTP and HTTPS (HTTP/1.1 and 2), which keeps everything that reaches it. */
export class Target {
  readonly name: string;
  readonly #seen: SeenRequest[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #servers: readonly Server[];
  readonly plainPort: number;
  readonly securePort: number;
  #connections = 0;
  /** Answers requests; replaced by rows that need another answer */
  handler: Handler = greet;
  onUpgrade: (request: IncomingMessage, socket: Duplex) => void = (_request, socket) => socket.destroy();
  /** Tunnels that were asked for, for example `other.test:443` */
  readonly tunnels: string[] = [];

  private constructor(name: string, servers: Listening) {
    this.name = name;
    this.plainPort = servers.plain.port;
    this.securePort = servers.secure.port;
    this.#servers = [servers.plain.server, servers.secure.server];
    for (const server of this.#servers) this.#observe(server);
  }

  static async open(bench: RedBench, name: string): Promise<Target> {
    bench.names.set(name, ['127.0.0.1']);
    const identity = await bench.targetCa.issue(name);
    const [plain, secure] = await Promise.all([
      listen(http.createServer()),
      listen(http2.createSecureServer({ ...identity, allowHTTP1: true })),
    ]);
    const target = new Target(name, { plain, secure });
    bench.defer(() => target.#close());
    return target;
  }

  get seen(): readonly SeenRequest[] {
    return this.#seen;
  }

  /** TCP connections that were made, whatever was said on them */
  get connections(): number {
    return this.#connections;
  }

  /** Forgets what it saw, and answers as at the beginning. */
  reset(): void {
    this.#seen.length = 0;
    this.#connections = 0;
    this.tunnels.length = 0;
    this.handler = greet;
    this.onUpgrade = (_request, socket) => socket.destroy();
  }

  #observe(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy()).once('close', () => this.#sockets.delete(socket));
    });
    const emitter: NodeJS.EventEmitter = server;
    emitter.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
    emitter.on('connect', (request: IncomingMessage, socket: Duplex) => {
      this.tunnels.push(request.url ?? '');
      socket.end('HTTP/1.1 200 Connection established\r\n\r\n');
    });
    emitter.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      this.#note(request, Buffer.alloc(0));
      this.onUpgrade(request, socket);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      this.#note(request, body);
      this.handler(request, response, body);
    });
  }

  #note({ method = '', url = '', headers, rawHeaders }: IncomingMessage, body: Buffer): void {
    this.#seen.push({ method, url, headers, rawHeaders, body });
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function greet(_request: IncomingMessage, response: ServerResponse): void {
  response.end(GREETING);
}

interface Listening {
  readonly plain: { readonly server: Server; readonly port: number };
  readonly secure: { readonly server: Server; readonly port: number };
}

async function listen(server: Server): Promise<Listening['plain']> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
