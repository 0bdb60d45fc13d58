import { randomBytes } from 'node:crypto';

/** Random bytes of a phantom: guessing one is hopeless, and its length is that of real keys. */
const PHANTOM_BYTES = 60;

/** A token that is worthless outside its bottle and looks like a real key, so that programs accept it. */
export function mintPhantom(prefix: string): string {
  return `${prefix}${randomBytes(PHANTOM_BYTES).toString('base64url')}`;
}

const KEY_ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const KEY_ID_LENGTH = 28;

/** A phantom for AWS, whose clients want an access key id; longer than a real one, so that guessing it stays hopeless. */
export function mintAccessKeyId(): string {
  return `AKIA${Array.from(randomBytes(KEY_ID_LENGTH), (byte) => KEY_ID_ALPHABET[byte % KEY_ID_ALPHABET.length]).join('')}`;
}
