/*
 * Renews one OAuth login, in a process of its own: it holds the lock, and what it got is stored also where the gateway that asked for
 * it is killed meanwhile. argv: a `RefreshJob` as JSON. Exit status: 0 when a fresh token is stored, 1 otherwise, with the error as
 * JSON on stdout.
 */
import { readFileSync } from 'node:fs';
import { isTerokError, messageOf, TerokError } from '../core/errors.ts';
import { parseProxyLogin } from '../core/proxy-connect.ts';
import type { RefreshJob } from './refresh-job.ts';
import { refreshOAuth } from './refresh-oauth.ts';
import { requestToken, type TokenProxy } from './request-token.ts';
import { Vault } from './vault.ts';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.umask(0o077);

const { dir, name, caFiles, proxy, refused } = JSON.parse(process.argv[2] ?? '') as RefreshJob;
try {
  const vault = new Vault(dir);
  const extraCaPem = caFiles.map((file) => readFileSync(file, 'utf8')).join('\n');
  const options = {
    ...(extraCaPem === '' ? {} : { extraCaPem }),
    ...(proxy === undefined ? {} : { proxy: await tokenProxy(vault, proxy) }),
  };
  await refreshOAuth(vault, name, {
    ask: (secret) => requestToken(name, secret, options),
    ...(refused === undefined ? {} : { refused }),
  });
} catch (error) {
  process.exitCode = 1;
  process.stdout.on('error', () => undefined);
  process.stdout.write(JSON.stringify(isTerokError(error) ? error.toJSON() : { code: 'GATEWAY_FAILED', message: messageOf(error) }));
}

async function tokenProxy(vault: Vault, { url, noProxy, secret }: NonNullable<RefreshJob['proxy']>): Promise<TokenProxy> {
  if (secret === undefined) return { url, noProxy };
  const login = parseProxyLogin((await vault.get(secret)).reveal());
  if (login !== undefined) return { url, noProxy, login };
  throw new TerokError('GATEWAY_FAILED', `The secret \`${secret}\` of the proxy is not \`user:password\`.`, {
    hint: `Store it again with \`terok secret set ${secret}\`.`,
  });
}
