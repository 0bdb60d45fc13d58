/*
 * Scope: renewing the access token of one login, by one process at a time on this host. Out of scope: who asks for it.
 * Fail-safe direction: the tokens of an answer are on disk before anybody uses them; without an answer nothing changes.
 */
import { hash } from 'node:crypto';
import { formatOAuthSecret, type OAuthSecret, readOAuthSecret, tokenState } from './oauth-secret.ts';
import type { GrantedTokens } from './request-token.ts';
import { Secret } from './secret.ts';
import type { Vault } from './vault.ts';

export interface Refresh {
  readonly ask: (secret: OAuthSecret) => Promise<GrantedTokens>;
  /** SHA-256 of an access token that its server no longer takes, whatever its end says */
  readonly refused?: string;
}

/** Renews the access token of a secret, unless another process has done so meanwhile. */
export async function refreshOAuth(vault: Vault, name: string, { ask, refused }: Refresh): Promise<void> {
  await vault.update(name, async (current) => {
    const secret = readOAuthSecret(name, current.reveal());
    if (secret === undefined) return undefined;
    const isRefused = refused !== undefined && secret.accessToken !== undefined && digestOfToken(secret.accessToken) === refused;
    if (!isRefused && tokenState(secret, Date.now()) === 'fresh') return undefined;
    const granted = await ask(secret);
    const { expiresInSeconds, ...tokens } = granted;
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1_000).toISOString();
    return new Secret(formatOAuthSecret({ ...secret, ...tokens, expiresAt }));
  });
}

/** Names a token in a command line without saying it. */
export function digestOfToken(accessToken: string): string {
  return hash('sha256', accessToken);
}
