import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RedBench } from '../bench/index.ts';

/** How the server fails */
export const FAILURES = ['refuses', 'forbids', 'breaks', 'sends elsewhere'] as const;
export type Failure = (typeof FAILURES)[number];

/** An upstream that takes no request and puts the credential into all that it answers. */
export class TellingUpstream {
  /** Values of `Authorization` that arrived */
  readonly credentials = new Set<string>();
  failure: Failure = 'refuses';
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      const { authorization } = request.headers;
      if (authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end();
        return;
      }
      this.credentials.add(authorization);
      const told = `${authorization} ${Buffer.from(authorization.split(' ')[1] ?? '', 'base64').toString('utf8')}`;
      const status = { refuses: 401, forbids: 403, breaks: 500, 'sends elsewhere': 302 }[this.failure];
      response.writeHead(status, {
        'content-type': 'text/plain',
        'www-authenticate': `Basic realm="${told}"`,
        ...(status === 302 ? { location: `${request.url ?? ''}/${encodeURIComponent(told)}` } : {}),
      });
      response.end(`You are ${told}\n`);
    });
  }

  static async open(bench: RedBench): Promise<TellingUpstream> {
    const made = new TellingUpstream();
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', resolve));
    bench.defer(() => made.#server.close());
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/team/shop.git`;
  }
}
