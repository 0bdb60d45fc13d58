/**
 * A stand-in for a forge, on loopback: bare repositories behind real `git http-backend`, and the parts of the Gitea and GitHub REST
 * APIs that terok speaks. Both dialects answer at the same time: Gitea below `/api/v1`, GitHub below `/api/v3`.
 */
import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';

export interface ForgeKey {
  readonly id: number;
  readonly title: string;
  readonly key: string;
  readonly read_only: boolean;
}

export interface ForgePull {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly head: string;
  readonly base: string;
  readonly state: 'open' | 'closed';
}

export interface ForgeRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

export interface ForgeOptions {
  /** The one token that may do everything; absent from every answer */
  readonly token?: string;
  /** User name that goes with the token in basic authentication; any by default */
  readonly user?: string;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

const MAX_BODY_BYTES = 1024 ** 2;
const run = promisify(execFile);

export class Forge implements AsyncDisposable {
  /** Every request, for tests to look at what arrived */
  readonly requests: ForgeRequest[] = [];
  /** Keys of all repositories by `owner/name` */
  readonly keys = new Map<string, ForgeKey[]>();
  readonly pulls = new Map<string, ForgePull[]>();
  /** Objects of Git LFS of all repositories, by their SHA-256 */
  readonly lfs = new Map<string, Buffer>();
  /** Where objects of LFS are to be put, the forge itself by default */
  lfsStore: string | undefined;
  /** A status that every call of the API with this method gets in place of its answer, for example `{ DELETE: 500 }` */
  failures: Readonly<Record<string, number>> = {};
  token: string;
  readonly root: string;
  readonly #user: string | undefined;
  readonly #server: http.Server;
  #nextId = 1;

  private constructor(root: string, options: ForgeOptions) {
    this.root = root;
    this.token = options.token ?? 'forge-token-0123456789abcdef';
    this.#user = options.user;
    this.#server = http.createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(options: ForgeOptions = {}): Promise<Forge> {
    const forge = new Forge(await mkdtemp(path.join(tmpdir(), 'terok-forge-')), options);
    await new Promise<void>((resolve) => forge.#server.listen(0, '127.0.0.1', resolve));
    return forge;
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Address of a repository without any credential. */
  remote(name: string): string {
    return `${this.url}/${name}.git`;
  }

  directory(name: string): string {
    return path.join(this.root, `${name}.git`);
  }

  /** Takes over a connection that another listener decrypted. */
  accept(socket: Duplex): void {
    this.#server.emit('connection', socket);
  }

  /** An empty bare repository `owner/name`. */
  async createRepository(name: string, init: readonly string[] = []): Promise<string> {
    const directory = this.directory(name);
    await mkdir(directory, { recursive: true });
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', ...init, directory]);
    await run('git', ['-C', directory, 'config', 'http.receivepack', 'true']);
    this.keys.set(name, []);
    this.pulls.set(name, []);
    return directory;
  }

  /** A program that a push to the repository starts before it is taken; its exit code decides. */
  async setHook(name: string, hook: string, text: string): Promise<void> {
    const file = path.join(this.directory(name), 'hooks', hook);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    await chmod(file, 0o755);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const [target = '', query = ''] = (request.url ?? '').split('?');
    const { authorization } = request.headers;
    this.requests.push({ method: request.method ?? '', path: target, authorization });
    if (!this.#isKnown(authorization)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"', 'content-type': 'application/json' });
      response.end('{"message":"Bad credentials"}');
      return;
    }
    if (/\.git\/info\/lfs\/objects\/|^\/lfs\//.test(target)) return await this.#serveLfs(request, response, target);
    const api = /^\/api\/v[13]\/repos\/([\w.-]+\/[\w.-]+)\/(.*)$/.exec(target);
    if (api === null) return this.#serveGit(request, response, target, query);
    const failure = this.failures[request.method ?? ''];
    const body = await readJson(request);
    const answer: Answer =
      failure === undefined
        ? this.#answer(request.method ?? '', api[1] ?? '', api[2] ?? '', body)
        : { status: failure, body: { message: 'failed' } };
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  #isKnown(authorization: string | undefined): boolean {
    const [scheme, value = ''] = (authorization ?? '').split(' ');
    if (/^(token|bearer)$/i.test(scheme ?? '')) return value === this.token;
    if (!/^basic$/i.test(scheme ?? '')) return false;
    const [user, ...rest] = Buffer.from(value, 'base64').toString('utf8').split(':');
    return rest.join(':') === this.token && (this.#user === undefined || user === this.#user);
  }

  #answer(method: string, name: string, rest: string, body: Record<string, unknown>): Answer {
    const keys = this.keys.get(name);
    const pulls = this.pulls.get(name);
    if (keys === undefined || pulls === undefined) return { status: 404, body: { message: 'Not Found' } };
    const [kind, id] = rest.split('/');
    if (kind === 'keys') return this.#answerKeys(method, name, keys, { id, body });
    if (kind === 'pulls') return this.#answerPulls(method, name, pulls, { id, body });
    return { status: 404, body: { message: 'Not Found' } };
  }

  #answerKeys(
    method: string,
    name: string,
    keys: ForgeKey[],
    { id, body }: { id: string | undefined; body: Record<string, unknown> },
  ): Answer {
    if (method === 'GET' && id === undefined) return { status: 200, body: keys };
    if (method === 'POST' && id === undefined) {
      const key = textOf(body.key);
      if (!/^ssh-ed25519 [A-Za-z0-9+/=]+/.test(key) || keys.some((known) => known.key === key))
        return { status: 422, body: { message: 'key is invalid or in use' } };
      const made: ForgeKey = { id: this.#nextId++, title: textOf(body.title), key, read_only: body.read_only === true };
      keys.push(made);
      return { status: 201, body: { ...made, url: `${this.url}/repos/${name}/keys/${made.id}` } };
    }
    const at = keys.findIndex((known) => String(known.id) === id);
    if (at === -1) return { status: 404, body: { message: 'Not Found' } };
    if (method === 'GET') return { status: 200, body: keys[at] };
    if (method !== 'DELETE') return { status: 405, body: { message: 'Method Not Allowed' } };
    keys.splice(at, 1);
    return { status: 204 };
  }

  #answerPulls(
    method: string,
    name: string,
    pulls: ForgePull[],
    { id, body }: { id: string | undefined; body: Record<string, unknown> },
  ): Answer {
    const shown = (pull: ForgePull) => ({
      ...pull,
      html_url: `${this.url}/${name}/pulls/${pull.number}`,
      head: { ref: pull.head },
      base: { ref: pull.base },
    });
    if (method === 'GET' && id === undefined) return { status: 200, body: pulls.map(shown) };
    const found = pulls.find((pull) => String(pull.number) === id);
    if (method === 'GET')
      return found === undefined ? { status: 404, body: { message: 'Not Found' } } : { status: 200, body: shown(found) };
    if (method !== 'POST' || id !== undefined) return { status: 405, body: { message: 'Method Not Allowed' } };
    const [head, base] = [textOf(body.head), textOf(body.base)];
    if (head === '' || base === '' || typeof body.title !== 'string') return { status: 422, body: { message: 'Validation Failed' } };
    if (pulls.some((pull) => pull.head === head && pull.base === base && pull.state === 'open'))
      return { status: 409, body: { message: 'a pull request for these branches exists' } };
    const made: ForgePull = { number: this.#nextId++, title: body.title, body: textOf(body.body), head, base, state: 'open' };
    pulls.push(made);
    return { status: 201, body: shown(made) };
  }

  async #serveLfs(request: http.IncomingMessage, response: http.ServerResponse, target: string): Promise<void> {
    if (request.method === 'PUT') {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      this.lfs.set(target.slice('/lfs/'.length), Buffer.concat(parts));
      return void response.writeHead(200).end();
    }
    const { objects } = (await readJson(request)) as { objects: { oid: string; size: number }[] };
    const answers = objects.map((object) => {
      const href = `${this.lfsStore ?? this.url}/lfs/${object.oid}`;
      return this.lfs.has(object.oid) ? object : { ...object, actions: { upload: { href, header: { 'X-Lfs': 'given' } } } };
    });
    response
      .writeHead(200, { 'content-type': 'application/vnd.git-lfs+json' })
      .end(JSON.stringify({ transfer: 'basic', objects: answers }));
  }

  #serveGit(request: http.IncomingMessage, response: http.ServerResponse, target: string, query: string): void {
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: this.root,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: this.root,
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'forge',
      PATH_INFO: target,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? '',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    };
    const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    child.stdin.on('error', () => undefined);
    request.pipe(child.stdin);
    let header: Buffer | undefined = Buffer.alloc(0);
    child.stdout.on('data', (chunk: Buffer) => {
      if (header === undefined) return void response.write(chunk);
      header = Buffer.concat([header, chunk]);
      const end = header.indexOf('\r\n\r\n');
      if (end === -1) return;
      const text = header.subarray(0, end + 2).toString('latin1');
      const type = /^content-type: (.*)\r$/im.exec(text)?.[1] ?? 'text/plain';
      response.writeHead(Number(/^status: (\d+)/im.exec(text)?.[1] ?? 200), { 'content-type': type });
      response.write(header.subarray(end + 4));
      header = undefined;
    });
    child.stdout.on('end', () => response.end());
  }
}

async function readJson(request: http.IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('the body is too long');
    parts.push(part);
  }
  return bytes === 0 ? {} : (JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
