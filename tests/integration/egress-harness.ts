import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import {
  type BottleCa,
  type EgressPolicy,
  issuerOf,
  loadCertificateBuilder,
  type Route,
  type RunResult,
  run,
} from '../../src/core/index.ts';
import { mintBottleCa, parseEgressPolicy } from '../../src/core/resolve/index.ts';

import { createEgress, type Egress, type EgressOptions, openAuditLog, type WatchedValue } from '../../src/sidecars/egress/index.ts';

export const NAME = 'api.test.example';
export const LOOPBACK = ['127.0.0.0/8'];

/** A server certificate of a CA made for one test run. */
export async function serverCertificate(ca: BottleCa, name: string): Promise<{ cert: string; key: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const build = await loadCertificateBuilder();
  const cert = build(
    {
      subject: name,
      publicKey,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      use: { kind: 'server', name },
    },
    issuerOf(ca),
  );
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

export async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as net.AddressInfo).port;
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export type UpstreamHandler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** One bottle's egress side with listeners on loopback, and upstreams that record what arrives. */
export class Rig implements AsyncDisposable {
  readonly dir: string;
  readonly ca: BottleCa;
  readonly upstreamCa: BottleCa;
  readonly seen: SeenRequest[] = [];
  readonly secrets = new Map<string, string>();
  /** Addresses that the host's resolver gives, by name */
  readonly addresses = new Map<string, readonly string[]>();
  egress!: Egress;
  httpsPort = 0;
  httpPort = 0;
  proxyPort = 0;
  auditFile = '';
  handler: UpstreamHandler = (_request, response) => response.end('hello\n');
  readSecret: (name: string) => Promise<string> = async (name) => {
    const value = this.secrets.get(name);
    if (value === undefined) throw new Error(`no secret ${name}`);
    return value;
  };
  /** Called at the head of each request, before its body */
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  /** Values that must not leave the bottle */
  watched: readonly WatchedValue[] = [];
  canary: string | undefined;
  onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void = (_request, socket) => socket.destroy();
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();
  readonly #doors = new Map<string, number>();

  private constructor(dir: string, ca: BottleCa, upstreamCa: BottleCa) {
    this.dir = dir;
    this.ca = ca;
    this.upstreamCa = upstreamCa;
  }

  static async open(): Promise<Rig> {
    const dir = await mkdtemp(path.join(tmpdir(), 'terok-egress-'));
    const rig = new Rig(dir, await mintBottleCa('test'), await mintBottleCa('upstream'));
    await writeFile(path.join(dir, 'ca.pem'), rig.ca.certificatePem);
    rig.httpsPort = await rig.#serve(await rig.#secureUpstream());
    rig.httpPort = await rig.#serve(rig.#observe(http.createServer()));
    return rig;
  }

  async start(
    routes: (rig: Rig) => readonly Route[],
    {
      auditDir = this.dir,
      ...options
    }: { readonly auditDir?: string } & Pick<EgressOptions, 'upstreamProxy' | 'onRefusedSecret' | 'clientLimits'> = {},
  ): Promise<this> {
    this.auditFile = path.join(auditDir, `audit-${randomUUID()}.jsonl`);
    this.egress = await createEgress({
      ...options,
      policy: this.policy(routes(this)),
      ca: this.ca,
      audit: openAuditLog(this.auditFile),
      upstreamCaPem: this.upstreamCa.certificatePem,
      budgetFile: path.join(this.dir, 'budgets.json'),
      readSecret: (name) => this.readSecret(name),
      watched: { stamp: async () => JSON.stringify(this.watched), values: async () => this.watched },
      ...(this.canary === undefined ? {} : { tripwire: { canary: this.canary, file: path.join(auditDir, 'canary-seen.json') } }),
      resolveName: async (name) => this.addresses.get(name) ?? ['127.0.0.1'],
    });
    this.proxyPort = await this.#serve(net.createServer((socket) => this.egress.handleProxy(socket)));
    return this;
  }

  policy(routes: readonly Route[]): EgressPolicy {
    return parseEgressPolicy({ version: 1, routes }, 'test');
  }

  /** Port on loopback that stands for the synthetic address of a name. */
  async door(name: string, port: number): Promise<number> {
    const key = `${name}:${port}`;
    const known = this.#doors.get(key);
    if (known !== undefined) return known;
    const opened = await this.#serve(net.createServer((socket) => this.egress.handleTransparent(socket, { name, port })));
    this.#doors.set(key, opened);
    return opened;
  }

  /** Runs curl as a bottle would, with the name's synthetic address played by a door. */
  async curl(url: string, ...args: string[]): Promise<RunResult & { readonly text: string; readonly status: number }> {
    const { hostname, port, protocol } = new URL(url);
    const wanted = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    const door = await this.door(hostname, wanted);
    return this.rawCurl(url, '--connect-to', `${hostname}:${wanted}:127.0.0.1:${door}`, ...args);
  }

  async rawCurl(url: string, ...args: string[]): Promise<RunResult & { readonly text: string; readonly status: number }> {
    const result = await run(
      ['curl', '-sS', '--path-as-is', '--max-time', '20', '--cacert', path.join(this.dir, 'ca.pem'), '-w', '\n%{http_code}', ...args, url],
      { timeoutMs: 30_000 },
    );
    const output = result.stdout.toString('utf8');
    const cut = output.lastIndexOf('\n');
    return { ...result, text: output.slice(0, cut), status: Number(output.slice(cut + 1)) };
  }

  async audit(): Promise<readonly Record<string, unknown>[]> {
    await new Promise((resolve) => setImmediate(resolve));
    const text = await readFile(this.auditFile, 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  track<S extends net.Server>(server: S): S {
    this.#servers.push(server);
    server.on('connection', (socket: net.Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy()).once('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.egress?.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    await rm(this.dir, { recursive: true, force: true });
  }

  async #serve(server: net.Server): Promise<number> {
    return listen(this.track(server));
  }

  async #secureUpstream(): Promise<net.Server> {
    const { cert, key } = await serverCertificate(this.upstreamCa, NAME);
    return this.#observe(http2.createSecureServer({ cert, key, allowHTTP1: true }));
  }

  #observe<S extends net.Server>(server: S): S {
    const emitter: NodeJS.EventEmitter = server;
    emitter.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      this.onRequest(request, response);
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        this.seen.push({
          method: request.method ?? '',
          url: request.url ?? '',
          headers: request.headers,
          rawHeaders: request.rawHeaders,
          body,
        });
        if (!response.headersSent) this.handler(request, response, body);
      });
    });
    emitter.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.seen.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: head,
      });
      this.onUpgrade(request, socket, head);
    });
    return server;
  }
}

/** A route to the rig's TLS upstream under `NAME`. */
export function secureRoute(rig: Rig, more: Partial<Route> = {}): Route {
  return { name: 'api', hosts: [NAME], ports: [rig.httpsPort], mode: 'inspect', privateNetworks: LOOPBACK, ...more };
}
