/*
 * Scope: the index of one pack, version 2: which objects the pack has and where. Out of scope: the pack.
 * Fail-safe direction: an index that is not understood is an error.
 */
import { readFileSync } from 'node:fs';
import { TerokError } from '../../../core/errors.ts';

const FANOUT = 8;
const IDS = FANOUT + 256 * 4;
const LARGE = 0x8000_0000;

export class PackIndex {
  readonly count: number;
  readonly #bytes: Buffer;

  constructor(file: string) {
    this.#bytes = readFileSync(file);
    if (this.#bytes.readUInt32BE(0) !== 0xff744f63 || this.#bytes.readUInt32BE(4) !== 2)
      throw malformedPack('its index is not of version 2');
    this.count = this.#bytes.readUInt32BE(IDS - 4);
  }

  /** Place of an object in the order of ids; undefined where the pack does not have it. */
  find(id: Buffer): number | undefined {
    const first = id[0] ?? 0;
    let low = first === 0 ? 0 : this.#bytes.readUInt32BE(FANOUT + (first - 1) * 4);
    let high = this.#bytes.readUInt32BE(FANOUT + first * 4);
    while (low < high) {
      const middle = (low + high) >> 1;
      const start = IDS + middle * id.length;
      const order = id.compare(this.#bytes, start, start + id.length);
      if (order === 0) return middle;
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  /** Hexadecimal */
  idAt(place: number, idBytes: number): string {
    return this.#bytes.toString('hex', IDS + place * idBytes, IDS + (place + 1) * idBytes);
  }

  /** Of each object in the order of ids, in bytes from the start of the pack. */
  offsets(idBytes: number): Float64Array {
    const small = IDS + this.count * (idBytes + 4);
    const large = small + this.count * 4;
    const offsets = new Float64Array(this.count);
    for (let at = 0; at < this.count; at += 1) {
      const value = this.#bytes.readUInt32BE(small + at * 4);
      offsets[at] = value < LARGE ? value : Number(this.#bytes.readBigUInt64BE(large + (value - LARGE) * 8));
    }
    return offsets;
  }
}

export function malformedPack(problem: string): TerokError {
  return new TerokError('GIT_FAILED', `The pack of the push cannot be judged: ${problem}.`);
}
