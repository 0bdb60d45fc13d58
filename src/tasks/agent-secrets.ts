/** What the vault and the configuration say about the access of an agent; no value of a secret leaves this file. */
import type { Agent, AgentRequest } from '../agents/index.ts';
import type { EffectiveSettings } from '../core/config/index.ts';
import { readOAuthSecret, Vault } from '../vault/index.ts';
import type { TaskContext } from './context.ts';
import { vaultDir } from './plan-gateway.ts';

type StoredAccess = Pick<AgentRequest, 'secrets' | 'accounts' | 'secret' | 'endpoint'>;

export async function storedAccess(context: TaskContext, agent: Agent, models: EffectiveSettings['models']): Promise<StoredAccess> {
  const vault = new Vault(vaultDir(context));
  const secrets = await vault.list();
  const { endpoint, privateNetworks, secret } = models[agent.name] ?? {};
  return {
    secrets,
    accounts: await accountsOf(vault, agent, secrets),
    ...(secret === undefined ? {} : { secret }),
    ...(endpoint === undefined ? {} : { endpoint: { endpoint, ...(privateNetworks === undefined ? {} : { privateNetworks }) } }),
  };
}

async function accountsOf(vault: Vault, { credentials }: Agent, stored: readonly string[]): Promise<Record<string, string>> {
  const logins = credentials.filter(({ secret, login }) => login !== undefined && stored.includes(secret));
  const found = await Promise.all(
    logins.map(async ({ secret }) => [secret, readOAuthSecret(secret, (await vault.get(secret)).reveal())?.account] as const),
  );
  return Object.fromEntries(found.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
