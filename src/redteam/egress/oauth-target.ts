import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { RedBench } from '../bench/index.ts';

/** A login server that takes each refresh token once, as the strict ones do: who comes second with it is logged out. */
export class OAuthTarget {
  readonly port: number;
  refreshToken = 'real-refresh-token-0-0123456789';
  /** Token requests so far, and those that were refused */
  requests = 0;
  refused = 0;

  private constructor(port: number) {
    this.port = port;
  }

  static async open(bench: RedBench): Promise<OAuthTarget> {
    const server = http.createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const target = new OAuthTarget((server.address() as AddressInfo).port);
    server.on('request', (request, response) => {
      text(request).then(
        (body) => target.#grant(new URLSearchParams(body), response),
        () => response.destroy(),
      );
    });
    bench.defer(() => server.closeAllConnections());
    bench.defer(() => server.close());
    return target;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/oauth/token`;
  }

  /** What a client does that holds the real refresh token itself. */
  async refreshAs(refreshToken: string): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(this.url, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken, client_id: 'redteam' }),
    });
    return { status: response.status, body: await response.text() };
  }

  #grant(fields: URLSearchParams, response: http.ServerResponse): void {
    this.requests += 1;
    if (fields.get('refresh_token') !== this.refreshToken) {
      this.refused += 1;
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
      return;
    }
    this.refreshToken = `real-refresh-token-${this.requests}-0123456789`;
    const grant = {
      access_token: `real-access-token-${this.requests}-0123456789`,
      refresh_token: this.refreshToken,
      token_type: 'Bearer',
      expires_in: 3_600,
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(grant));
  }
}
