import { readFile } from 'node:fs/promises';
import { TerokError } from '../core/errors.ts';
import type { HostRoad, RoadProxy } from '../core/host-road.ts';
import { parseProxyLogin } from '../core/proxy-connect.ts';
import type { UpstreamProxy } from '../core/upstream-proxy.ts';
import type { Vault } from './vault.ts';

export interface RoadWish {
  /** PEM files of CAs trusted beside those of the host */
  readonly caFiles: readonly string[];
  readonly proxy?: UpstreamProxy;
}

/** The way of this machine to the internet, with the login that its proxy wants. Throws SECRET_MISSING, GATEWAY_FAILED. */
export async function openRoad(vault: Vault, { caFiles, proxy }: RoadWish): Promise<HostRoad> {
  const extraCaPem = (await Promise.all(caFiles.map((file) => readFile(file, 'utf8')))).join('\n');
  return {
    ...(extraCaPem === '' ? {} : { extraCaPem }),
    ...(proxy === undefined ? {} : { proxy: await withLogin(vault, proxy) }),
  };
}

async function withLogin(vault: Vault, { url, noProxy, secret }: UpstreamProxy): Promise<RoadProxy> {
  if (secret === undefined) return { url, noProxy };
  const login = parseProxyLogin((await vault.get(secret)).reveal());
  if (login !== undefined) return { url, noProxy, login };
  throw new TerokError('GATEWAY_FAILED', `The secret \`${secret}\` of the proxy is not \`user:password\`.`, {
    hint: `Store it again with \`terok secret set ${secret}\`.`,
  });
}
