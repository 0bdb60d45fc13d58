/** Connections through a proxy of the host: HTTP CONNECT and SOCKS5. */
import type net from 'node:net';
import { http } from './node-http.ts';

export interface ProxiedTarget {
  readonly name: string;
  readonly port: number;
  /** SOCKS gets this in the place of the name, where it is there; an HTTP proxy gets the name, because it decides by names */
  readonly address?: string | undefined;
}

export interface ProxyLogin {
  readonly user: string;
  readonly password: string;
}

export interface ProxyConnectOptions {
  readonly login?: ProxyLogin | undefined;
  readonly timeoutMs: number;
}

/** @param proxy `http://name:port` or `socks5://name:port` */
export async function connectThroughProxy(proxy: string, target: ProxiedTarget, options: ProxyConnectOptions): Promise<net.Socket> {
  const url = new URL(proxy);
  return await (url.protocol === 'socks5:' ? connectBySocks : connectByHttp)(url, target, options);
}

/** `user:password` of a secret; undefined where it is not of that form. */
export function parseProxyLogin(value: string): ProxyLogin | undefined {
  const at = value.indexOf(':');
  return at < 1 ? undefined : { user: value.slice(0, at), password: value.slice(at + 1) };
}

function connectByHttp(proxy: URL, { name, port }: ProxiedTarget, { login, timeoutMs }: ProxyConnectOptions): Promise<net.Socket> {
  const authority = `${name}:${port}`;
  const credentials = login === undefined ? undefined : Buffer.from(`${login.user}:${login.password}`).toString('base64');
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: withoutBrackets(proxy.hostname),
      port: proxy.port === '' ? 80 : proxy.port,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(credentials === undefined ? {} : { 'proxy-authorization': `Basic ${credentials}` }) },
      agent: false,
      timeout: timeoutMs,
    });
    request.once('timeout', () => request.destroy(new Error('timed out')));
    request.once('error', reject);
    request.once('response', (answer) => request.destroy(new Error(`it answered ${answer.statusCode ?? 'nothing'}`)));
    request.once('connect', (answer, socket: net.Socket, head) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        reject(new Error(`it answered ${answer.statusCode ?? 'nothing'}`));
        return;
      }
      socket.setTimeout(0).setNoDelay(true);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.end();
  });
}

async function connectBySocks(
  proxy: URL,
  { name, port, address }: ProxiedTarget,
  { login, timeoutMs }: ProxyConnectOptions,
): Promise<net.Socket> {
  const { SocksClient } = await import('socks');
  const { socket } = await SocksClient.createConnection({
    proxy: {
      host: withoutBrackets(proxy.hostname),
      port: Number(proxy.port),
      type: 5,
      ...(login === undefined ? {} : { userId: login.user, password: login.password }),
    },
    command: 'connect',
    destination: { host: address ?? withoutBrackets(name), port },
    timeout: timeoutMs,
    set_tcp_nodelay: true,
  });
  return socket;
}

/** The host of an address as a connection takes it. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
