import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** An OAuth server that gives each refresh token once, as the strict ones do. */
export class OAuthServer implements AsyncDisposable {
  /** Bodies of the token requests */
  readonly requests: Record<string, string>[] = [];
  /** Answers in the place of the server's own */
  answer: ((response: http.ServerResponse) => void) | undefined;
  /** Before each answer */
  delayMs = 0;
  lifetimeSeconds = 3_600;
  #refreshToken: string;
  #count = 0;
  readonly #server: http.Server;

  private constructor(refreshToken: string) {
    this.#refreshToken = refreshToken;
    this.#server = http.createServer((request, response) => this.#serve(request, response));
  }

  static async start(refreshToken: string): Promise<OAuthServer> {
    const server = new OAuthServer(refreshToken);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/oauth/token`;
  }

  /** The refresh token that it would take next. */
  get refreshToken(): string {
    return this.#refreshToken;
  }

  /** Takes over a connection that another listener decrypted */
  accept(socket: Duplex): void {
    this.#server.emit('connection', socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const isJson = request.headers['content-type'] === 'application/json';
      const fields = isJson ? (JSON.parse(text) as Record<string, string>) : Object.fromEntries(new URLSearchParams(text));
      this.requests.push(fields);
      setTimeout(() => (this.answer === undefined ? this.#grant(fields, response) : this.answer(response)), this.delayMs);
    });
  }

  #grant(fields: Record<string, string>, response: http.ServerResponse): void {
    if (fields.refresh_token !== this.#refreshToken) {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'invalid_grant', error_description: `unknown token ${fields.refresh_token}` }));
      return;
    }
    this.#count += 1;
    this.#refreshToken = `real-refresh-${this.#count}-0123456789`;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        access_token: `real-access-${this.#count}-0123456789`,
        refresh_token: this.#refreshToken,
        token_type: 'Bearer',
        expires_in: this.lifetimeSeconds,
      }),
    );
  }
}
