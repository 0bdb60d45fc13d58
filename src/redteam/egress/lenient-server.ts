import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import type { RedBench } from '../bench/index.ts';

/** How a careless server finds the end of a body: by the first length that it finds, or by anything that looks like chunks. */
export type Leniency = 'length' | 'chunked';

export interface LenientRequest {
  /** Request line and headers as they came */
  readonly head: string;
  readonly path: string;
  readonly body: string;
}

/** The victim of request smuggling: reads whatever it gets as some real servers did, and keeps every request that it believes to have seen. */
export class LenientServer {
  readonly name: string;
  readonly plainPort: number;
  /** It speaks no TLS */
  readonly securePort = 0;
  readonly #leniency: Leniency;
  readonly #seen: LenientRequest[] = [];

  private constructor(name: string, port: number, leniency: Leniency) {
    this.name = name;
    this.plainPort = port;
    this.#leniency = leniency;
  }

  static async open(bench: RedBench, name: string, leniency: Leniency): Promise<LenientServer> {
    bench.names.set(name, ['127.0.0.1']);
    const server: Server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const lenient = new LenientServer(name, (server.address() as AddressInfo).port, leniency);
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      lenient.#serve(socket);
    });
    bench.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return lenient;
  }

  get seen(): readonly LenientRequest[] {
    return this.#seen;
  }

  reset(): void {
    this.#seen.length = 0;
  }

  #serve(socket: Socket): void {
    let pending = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString('latin1');
      for (let read = readRequest(pending, this.#leniency); read !== undefined; read = readRequest(pending, this.#leniency)) {
        pending = read.rest;
        this.#seen.push(read.request);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n');
      }
    });
  }
}

interface Read {
  readonly request: LenientRequest;
  readonly rest: string;
}

/** Undefined where the request is not complete. */
export function readRequest(text: string, leniency: Leniency): Read | undefined {
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) return undefined;
  const head = text.slice(0, end.index);
  const after = text.slice(end.index + end[0].length);
  const path = head.split(/\r?\n/)[0]?.split(/\s+/)[1] ?? '';
  const taken = leniency === 'chunked' && /^transfer-encoding\s*:.*chunked/im.test(head) ? chunkedEnd(after) : lengthOf(head);
  if (taken === undefined || after.length < taken) return undefined;
  return { request: { head, path, body: after.slice(0, taken) }, rest: after.slice(taken) };
}

function lengthOf(head: string): number {
  return Number.parseInt(/^content-length\s*:\s*\+?(\d+)/im.exec(head)?.[1] ?? '0', 10);
}

/** Where the chunks end; undefined where they are not complete. */
function chunkedEnd(text: string): number | undefined {
  let at = 0;
  for (;;) {
    const line = /^[^\r\n]*\r?\n/.exec(text.slice(at))?.[0];
    if (line === undefined) return undefined;
    const size = Number.parseInt(line, 16);
    if (Number.isNaN(size)) return at;
    at += line.length + size;
    const newline = /^\r?\n/.exec(text.slice(at))?.[0];
    if (newline === undefined) return undefined;
    at += newline.length;
    if (size === 0) return at;
  }
}
