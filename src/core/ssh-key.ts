import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

/** One ed25519 key pair: the private key as an OpenSSH PEM text, the public key as one line of `authorized_keys`. */
export interface SshKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** @param comment in the private key alone */
export function createSshKey(comment: string): SshKey {
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
