export { Credentials, type CredentialsOptions } from './credentials.ts';
export { formatOAuthSecret, type OAuthSecret, parseOAuthInput, readOAuthSecret } from './oauth-secret.ts';
export { openRoad } from './open-road.ts';
export { Secret } from './secret.ts';
export { parseSecretName, Vault } from './vault.ts';
