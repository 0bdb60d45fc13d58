/*
 * Scope: connections of the host through a proxy of its own. What is checked: every address that the host finds for the name, as without
 * a proxy. SOCKS gets the address that was checked; an HTTP proxy gets the name, because it decides by names, and resolves it again.
 * Out of scope: what the proxy does. Fail-safe direction: a name that the host cannot resolve is refused, unless the configuration lets
 * the proxy resolve it; names that belong to no public suffix never go there.
 */
import type net from 'node:net';
import { parse } from 'tldts';
import { messageOf, systemCodeOf } from '../../core/errors.ts';
import { HOST_LOOPBACK_NAME, hostPatternCovers } from '../../core/host-name.ts';
import { http } from '../../core/node-http.ts';
import type { UpstreamProxy } from '../../core/upstream-proxy.ts';
import type { EgressTarget } from './decide.ts';
import { checkedAddresses, DIAL_TIMEOUT_MS, type Dial, directDial, type ResolveName } from './dial.ts';
import { UpstreamError } from './upstream-error.ts';

export interface ProxyDialOptions {
  readonly resolveName: ResolveName;
  readonly readSecret: (name: string) => Promise<string>;
}

interface ProxyLogin {
  readonly user: string;
  readonly password: string;
}

export function proxyDial(proxy: UpstreamProxy, { resolveName, readSecret }: ProxyDialOptions): Dial {
  const direct = directDial(resolveName);
  const url = new URL(proxy.url);
  return async (target, privateNetworks) => {
    if (isDirect(proxy, target.name)) return await direct(target, privateNetworks);
    const address = await addressFor(target, privateNetworks, { proxy, resolveName });
    const login = proxy.secret === undefined ? undefined : parseLogin(proxy.secret, await readSecret(proxy.secret));
    const connect = url.protocol === 'socks5:' ? connectBySocks : connectByHttp;
    return await connect(url, { ...target, address }, login);
  };
}

function isDirect({ noProxy }: UpstreamProxy, name: string): boolean {
  return name === HOST_LOOPBACK_NAME || noProxy.some((pattern) => pattern === '*' || hostPatternCovers(pattern, name));
}

/** Undefined where the proxy is to resolve the name. */
async function addressFor(
  { name }: EgressTarget,
  privateNetworks: readonly string[],
  { proxy, resolveName }: { readonly proxy: UpstreamProxy; readonly resolveName: ResolveName },
): Promise<string | undefined> {
  try {
    return (await checkedAddresses(name, privateNetworks, resolveName))[0];
  } catch (error) {
    const isUnknown = error instanceof UpstreamError && error.reason === 'name-unresolved';
    if (isUnknown && proxy.remoteNames && isPublicName(name)) return undefined;
    throw error;
  }
}

function isPublicName(name: string): boolean {
  const { isIcann, domain } = parse(name);
  return isIcann === true && domain !== null;
}

interface ProxiedTarget extends EgressTarget {
  readonly address: string | undefined;
}

function connectByHttp(proxy: URL, { name, port }: ProxiedTarget, login: ProxyLogin | undefined): Promise<net.Socket> {
  const authority = `${name}:${port}`;
  const credentials = login === undefined ? undefined : Buffer.from(`${login.user}:${login.password}`).toString('base64');
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port === '' ? 80 : proxy.port,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(credentials === undefined ? {} : { 'proxy-authorization': `Basic ${credentials}` }) },
      agent: false,
      timeout: DIAL_TIMEOUT_MS,
    });
    request.once('timeout', () => request.destroy(new Error('timed out')));
    request.once('error', (error) => reject(failed(error)));
    request.once('response', (answer) => request.destroy(new Error(`it answered ${answer.statusCode ?? 'nothing'}`)));
    request.once('connect', (answer, socket: net.Socket, head) => {
      if (answer.statusCode !== 200) {
        socket.destroy();
        reject(failed(new Error(`it answered ${answer.statusCode ?? 'nothing'}`)));
        return;
      }
      socket.setTimeout(0).setNoDelay(true);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.end();
  });
}

async function connectBySocks(proxy: URL, { name, port, address }: ProxiedTarget, login: ProxyLogin | undefined): Promise<net.Socket> {
  const { SocksClient } = await import('socks');
  try {
    const { socket } = await SocksClient.createConnection({
      proxy: {
        host: proxy.hostname.replace(/^\[|\]$/g, ''),
        port: Number(proxy.port),
        type: 5,
        ...(login === undefined ? {} : { userId: login.user, password: login.password }),
      },
      command: 'connect',
      destination: { host: address ?? name, port },
      timeout: DIAL_TIMEOUT_MS,
      set_tcp_nodelay: true,
    });
    return socket;
  } catch (error) {
    throw failed(error);
  }
}

function parseLogin(secret: string, value: string): ProxyLogin {
  const at = value.indexOf(':');
  if (at < 1) throw new UpstreamError('upstream-failed', `the secret \`${secret}\` of the proxy is not \`user:password\``);
  return { user: value.slice(0, at), password: value.slice(at + 1) };
}

function failed(error: unknown): UpstreamError {
  return new UpstreamError('upstream-failed', `the proxy of this host gave no connection (${systemCodeOf(error) ?? messageOf(error)})`, {
    cause: error,
  });
}
