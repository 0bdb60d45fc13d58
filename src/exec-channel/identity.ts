import { createHmac } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { createSshKey, readStateFile, type SshKey, TerokError, writeStateFile } from '../core/index.ts';

/** The keys of one bottle's exec channel. The bottle gets `host` whole and the public half of `client`; `client.privateKey` stays on the host. */
export interface ChannelIdentity {
  readonly host: SshKey;
  readonly client: SshKey;
}

const KEY = z.strictObject({
  privateKey: z.string().startsWith('-----BEGIN OPENSSH PRIVATE KEY-----\n'),
  publicKey: z.string().startsWith('ssh-ed25519 '),
});
const IDENTITY = z.strictObject({ host: KEY, client: KEY });

/** Makes the keys of a bottle's channel in `<stateDir>/channel/` (0700, file 0600), or gives those that are there. */
export async function createChannelIdentity(stateDir: string): Promise<ChannelIdentity> {
  const existing = await readStateFile(identityFile(stateDir), IDENTITY);
  if (existing !== undefined) return existing;
  const identity = { host: createSshKey('host'), client: createSshKey('client') };
  await writeStateFile(identityFile(stateDir), identity);
  return identity;
}

/** The keys that `createChannelIdentity` made; NOT_FOUND where there are none, STATE_CORRUPT where the file was damaged. */
export async function loadChannelIdentity(stateDir: string): Promise<ChannelIdentity> {
  const identity = await readStateFile(identityFile(stateDir), IDENTITY);
  if (identity !== undefined) return identity;
  throw new TerokError('NOT_FOUND', `The bottle's channel keys are missing: \`${identityFile(stateDir)}\` does not exist.`, {
    context: { kind: 'channelIdentity', stateDir },
    hint: 'Remove the bottle and make it again.',
  });
}

/** 64 characters that only root of the bottle and the host can know. */
export function controlProof({ host }: ChannelIdentity): string {
  return createHmac('sha256', host.privateKey).update('control connection').digest('hex');
}

function identityFile(stateDir: string): string {
  return path.join(stateDir, 'channel', 'identity.json');
}
