export { Secret } from './secret.ts';
export { parseSecretName, Vault } from './vault.ts';
