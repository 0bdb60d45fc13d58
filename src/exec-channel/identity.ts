import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { readStateFile, TerokError, writeStateFile } from '../core/index.ts';

/** One ed25519 key pair: the private key as an OpenSSH PEM text, the public key as one line of `authorized_keys`. */
export interface ChannelKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** The keys of one bottle's exec channel. The bottle gets `host` whole and the public half of `client`; `client.privateKey` stays on the host. */
export interface ChannelIdentity {
  readonly host: ChannelKey;
  readonly client: ChannelKey;
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
  const identity = { host: createKey('host'), client: createKey('client') };
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

function identityFile(stateDir: string): string {
  return path.join(stateDir, 'channel', 'identity.json');
}

function createKey(comment: string): ChannelKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { seed, point } = rawKeys(privateKey);
  const publicBlob = Buffer.concat([sshString('ssh-ed25519'), sshString(point)]);
  return { privateKey: toOpenSshPem(seed, point, publicBlob, comment), publicKey: `ssh-ed25519 ${publicBlob.toString('base64')}` };
}

function rawKeys(key: KeyObject): { readonly seed: Buffer; readonly point: Buffer } {
  const seed = key.export({ format: 'jwk' }).d;
  const point = createPublicKey(key).export({ format: 'jwk' }).x;
  return { seed: Buffer.from(String(seed), 'base64url'), point: Buffer.from(String(point), 'base64url') };
}

/** The unencrypted `openssh-key-v1` container: PROTOCOL.key of OpenSSH. */
function toOpenSshPem(seed: Buffer, point: Buffer, publicBlob: Buffer, comment: string): string {
  const check = randomBytes(4);
  const secret = [check, check, sshString('ssh-ed25519'), sshString(point), sshString(Buffer.concat([seed, point])), sshString(comment)];
  const section = padToBlock(Buffer.concat(secret));
  const header = [Buffer.from('openssh-key-v1\0'), sshString('none'), sshString('none'), sshString('')];
  const whole = Buffer.concat([...header, uint32(1), sshString(publicBlob), sshString(section)]);
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

function padToBlock(section: Buffer): Buffer {
  const missing = (8 - (section.length % 8)) % 8;
  return Buffer.concat([section, Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, missing))]);
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
