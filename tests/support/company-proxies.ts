/** Proxies as a company has them between a host and the internet: HTTP CONNECT and SOCKS5 (RFC 1928, RFC 1929). */
import net from 'node:net';

export interface CompanyProxyOptions {
  /** `user:password` of the one user that it knows; it asks for none by default */
  readonly login?: string | undefined;
  /** Gets what each tunnel was asked for: `name:port` by HTTP, the name or address by SOCKS */
  readonly asked: string[];
  /** Where a tunnel to this port leads, whatever name it was asked for */
  readonly lead: (port: number) => { readonly host: string; readonly port: number };
}

export const COMPANY_PROXIES = { http: createHttpProxy, socks5: createSocksProxy } as const;

const REFUSAL = 'HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n';

function createHttpProxy({ login, asked, lead }: CompanyProxyOptions): net.Server {
  return net.createServer((client) => {
    client.on('error', () => client.destroy());
    client.once('data', (head: Buffer) => {
      const text = head.toString('latin1');
      // Names of headers are written in any case
      const given = /^proxy-authorization: Basic (\S+)/im.exec(text)?.[1];
      if (login !== undefined && given !== Buffer.from(login).toString('base64')) return void client.end(REFUSAL);
      const [, authority = '', port = ''] = /^CONNECT (\S+:(\d+)) HTTP/.exec(text) ?? [];
      asked.push(authority);
      join(client, lead(Number(port)), 'HTTP/1.1 200 OK\r\n\r\n');
    });
  });
}

function createSocksProxy({ login, asked, lead }: CompanyProxyOptions): net.Server {
  return net.createServer((client) => {
    client.on('error', () => client.destroy());
    const takeRequest = (): void => {
      client.once('data', (request: Buffer) => {
        asked.push(hostOf(request));
        join(client, lead(request.readUInt16BE(request.length - 2)), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      });
    };
    client.once('data', (hello: Buffer) => {
      const method = login === undefined ? 0 : 2;
      client.write(Buffer.of(5, hello.includes(method, 2) ? method : 255));
      if (login === undefined) return takeRequest();
      client.once('data', (auth: Buffer) => {
        const isRight = loginOf(auth) === login;
        client.write(Buffer.of(1, isRight ? 0 : 1));
        if (isRight) takeRequest();
        else client.end();
      });
    });
  });
}

function loginOf(auth: Buffer): string {
  const [, userBytes = 0] = auth;
  return `${auth.toString('utf8', 2, 2 + userBytes)}:${auth.toString('utf8', 3 + userBytes)}`;
}

/** The host of a request, an IPv6 address in its full form. */
function hostOf(request: Buffer): string {
  const [kind, length = 0] = request.subarray(3);
  if (kind === 3) return request.toString('latin1', 5, 5 + length);
  if (kind === 1) return request.subarray(4, 8).join('.');
  return request.toString('hex', 4, 20).replaceAll(/(....)(?=.)/g, '$1:');
}

function join(client: net.Socket, to: { readonly host: string; readonly port: number }, greeting: Buffer | string): void {
  const upstream = net.connect(to, () => {
    client.write(greeting);
    client.pipe(upstream).pipe(client);
  });
  upstream.on('error', () => client.destroy());
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
}
