import type { WatchedSource, WatchedValue } from '../egress/index.ts';

/** Secrets of one user; more would make the search slow, and nobody has them. */
const MAX_SECRETS = 500;

/** What of the vault must not leave a bottle: every secret, and of a login or a pair of keys each part that is one. */
export async function watchVault(dir: string): Promise<WatchedSource> {
  const { readOAuthSecret, Vault } = await import('../../vault/index.ts');
  const vault = new Vault(dir);
  const valuesOf = async (name: string): Promise<readonly WatchedValue[]> => {
    const text = (await vault.get(name)).reveal();
    const login = readOAuthSecret(name, text);
    const parts = login === undefined ? partsOf(text) : [login.refreshToken, login.accessToken, login.clientSecret];
    return parts.filter((value) => value !== undefined).map((value) => ({ kind: 'secret', name, value }));
  };
  return {
    stamp: async () => JSON.stringify(await vault.describe()),
    values: async () => (await Promise.all((await vault.list()).slice(0, MAX_SECRETS).map(valuesOf))).flat(),
  };
}

/** A value with colons is a pair of keys for AWS, or a user and a password: the long parts are secrets by themselves. */
function partsOf(text: string): readonly string[] {
  const trimmed = text.trim();
  const parts = /^[\x21-\x7e]+$/.test(trimmed) ? trimmed.split(':').slice(1) : [];
  return [trimmed, ...parts.filter((part) => part.length >= 16)];
}
