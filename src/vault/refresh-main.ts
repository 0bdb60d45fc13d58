/*
 * Renews one OAuth login, in a process of its own: it holds the lock, and what it got is stored also where the gateway that asked for
 * it is killed meanwhile. argv: the directory of the vault, the name of the secret, PEM files of further CAs. Exit status: 0 when a
 * fresh token is stored, 1 otherwise, with the error as JSON on stdout.
 */
import { readFileSync } from 'node:fs';
import { isTerokError, messageOf } from '../core/errors.ts';
import { refreshOAuth } from './refresh-oauth.ts';
import { requestToken } from './request-token.ts';
import { Vault } from './vault.ts';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.umask(0o077);

const [dir = '', name = '', ...caFiles] = process.argv.slice(2);
try {
  const extraCaPem = caFiles.map((file) => readFileSync(file, 'utf8')).join('\n');
  await refreshOAuth(new Vault(dir), name, (secret) => requestToken(name, secret, extraCaPem === '' ? {} : { extraCaPem }));
} catch (error) {
  process.exitCode = 1;
  process.stdout.on('error', () => undefined);
  process.stdout.write(JSON.stringify(isTerokError(error) ? error.toJSON() : { code: 'GATEWAY_FAILED', message: messageOf(error) }));
}
