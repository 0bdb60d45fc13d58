/*
 * Scope: renewing the access token of one login, by one process at a time on this host. Out of scope: who asks for it.
 * Fail-safe direction: the tokens of an answer are on disk before anybody uses them; without an answer nothing changes.
 */
import { formatOAuthSecret, type OAuthSecret, readOAuthSecret, tokenState } from './oauth-secret.ts';
import type { GrantedTokens } from './request-token.ts';
import { Secret } from './secret.ts';
import type { Vault } from './vault.ts';

/** Renews the access token of a secret, unless another process has done so meanwhile. */
export async function refreshOAuth(vault: Vault, name: string, ask: (secret: OAuthSecret) => Promise<GrantedTokens>): Promise<void> {
  await vault.update(name, async (current) => {
    const secret = readOAuthSecret(name, current.reveal());
    if (secret === undefined || tokenState(secret, Date.now()) === 'fresh') return undefined;
    const granted = await ask(secret);
    const { expiresInSeconds, ...tokens } = granted;
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1_000).toISOString();
    return new Secret(formatOAuthSecret({ ...secret, ...tokens, expiresAt }));
  });
}
