/*
 * Renews one OAuth login, in a process of its own: it holds the lock, and what it got is stored also where the gateway that asked for
 * it is killed meanwhile. argv: a `RefreshJob` as JSON. Exit status: 0 when a fresh token is stored, 1 otherwise, with the error as
 * JSON on stdout.
 */
import { isTerokError, messageOf } from '../core/errors.ts';
import { openRoad } from './open-road.ts';
import type { RefreshJob } from './refresh-job.ts';
import { refreshOAuth } from './refresh-oauth.ts';
import { requestToken } from './request-token.ts';
import { Vault } from './vault.ts';

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.umask(0o077);

const { dir, name, caFiles, proxy, refused } = JSON.parse(process.argv[2] ?? '') as RefreshJob;
try {
  const vault = new Vault(dir);
  const road = await openRoad(vault, { caFiles, ...(proxy === undefined ? {} : { proxy }) });
  await refreshOAuth(vault, name, {
    ask: (secret) => requestToken(name, secret, road),
    ...(refused === undefined ? {} : { refused }),
  });
} catch (error) {
  process.exitCode = 1;
  process.stdout.on('error', () => undefined);
  process.stdout.write(JSON.stringify(isTerokError(error) ? error.toJSON() : { code: 'GATEWAY_FAILED', message: messageOf(error) }));
}
