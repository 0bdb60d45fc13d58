import { randomBytes } from 'node:crypto';

/** Random bytes of a phantom: guessing one is hopeless, and its length is that of real keys. */
const PHANTOM_BYTES = 60;

/** A token that is worthless outside its bottle and looks like a real key, so that programs accept it. */
export function mintPhantom(prefix: string): string {
  return `${prefix}${randomBytes(PHANTOM_BYTES).toString('base64url')}`;
}
