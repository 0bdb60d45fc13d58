import path from 'node:path';
import { createSshKey } from '../core/index.ts';
import { Secret, type Vault } from '../vault/index.ts';

/** Name of the secret with the private deploy key of a project; its public half is beside it as `<name>.pub`. */
export function projectKeyName(projectId: string): string {
  return `git.${projectId.slice(0, 55)}`;
}

/** The public half of a project's deploy key, made where there is none. Of concurrent calls one key stays. */
export async function ensureProjectKey(vault: Vault, projectId: string): Promise<string> {
  const name = projectKeyName(projectId);
  if (!(await vault.has(`${name}.pub`))) {
    const key = createSshKey(`terok ${projectId}`);
    // The private half first: a public key without one would be shown and never work
    await vault.set(name, new Secret(key.privateKey));
    await vault.set(`${name}.pub`, new Secret(`${key.publicKey} terok-${projectId}`));
  }
  return (await vault.get(`${name}.pub`)).reveal();
}

/** Path that ssh reads the private key from: the vault's own file, which is readable by its owner alone. */
export function projectKeyFile(vaultDir: string, projectId: string): string {
  return path.join(vaultDir, projectKeyName(projectId));
}
