import { hash } from 'node:crypto';

/** First 12 hexadecimal digits of the hash of all inputs of an image; the order of object members counts. */
export function contentHash(inputs: unknown): string {
  return hash('sha256', JSON.stringify(inputs)).slice(0, 12);
}
