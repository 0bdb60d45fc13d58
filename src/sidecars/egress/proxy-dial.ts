/*
 * Scope: connections of the host through a proxy of its own. What is checked: every address that the host finds for the name, as without
 * a proxy. SOCKS gets the address that was checked; an HTTP proxy gets the name, because it decides by names, and resolves it again.
 * Out of scope: what the proxy does. Fail-safe direction: a name that the host cannot resolve is refused, unless the configuration lets
 * the proxy resolve it; names that belong to no public suffix never go there.
 */
import { parse } from 'tldts';
import { messageOf, systemCodeOf } from '../../core/errors.ts';
import { HOST_LOOPBACK_NAME, hostPatternCovers } from '../../core/host-name.ts';
import { connectThroughProxy, type ProxyLogin, parseProxyLogin } from '../../core/proxy-connect.ts';
import type { UpstreamProxy } from '../../core/upstream-proxy.ts';
import type { EgressTarget } from './decide.ts';
import { checkedAddresses, DIAL_TIMEOUT_MS, type Dial, directDial, type ResolveName } from './dial.ts';
import { UpstreamError } from './upstream-error.ts';

export interface ProxyDialOptions {
  readonly resolveName: ResolveName;
  readonly readSecret: (name: string) => Promise<string>;
}

export function proxyDial(proxy: UpstreamProxy, { resolveName, readSecret }: ProxyDialOptions): Dial {
  const direct = directDial(resolveName);
  return async (target, privateNetworks) => {
    if (isDirect(proxy, target.name)) return await direct(target, privateNetworks);
    const address = await addressFor(target, privateNetworks, { proxy, resolveName });
    const login = proxy.secret === undefined ? undefined : loginOf(proxy.secret, await readSecret(proxy.secret));
    return await connectThroughProxy(proxy.url, { ...target, address }, { login, timeoutMs: DIAL_TIMEOUT_MS }).catch(failed);
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

function loginOf(secret: string, value: string): ProxyLogin {
  const login = parseProxyLogin(value);
  if (login !== undefined) return login;
  throw new UpstreamError('upstream-failed', `the secret \`${secret}\` of the proxy is not \`user:password\``);
}

function failed(error: unknown): never {
  throw new UpstreamError('upstream-failed', `the proxy of this host gave no connection (${systemCodeOf(error) ?? messageOf(error)})`, {
    cause: error,
  });
}
