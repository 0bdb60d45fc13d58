import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FANOUT = 8;
const IDS = FANOUT + 256 * 4;

/** The object ids of one pack, each of which can be marked. The index is of version 2, which `pack-facts.ts` checks. */
class PackIndex {
  readonly #bytes: Buffer;
  readonly #marked: Uint8Array;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#marked = new Uint8Array(bytes.readUInt32BE(IDS - 4));
  }

  /** False where the pack does not have the object. */
  mark(id: Buffer): boolean {
    const first = id[0] ?? 0;
    let low = first === 0 ? 0 : this.#bytes.readUInt32BE(FANOUT + (first - 1) * 4);
    let high = this.#bytes.readUInt32BE(FANOUT + first * 4);
    while (low < high) {
      const middle = (low + high) >> 1;
      const start = IDS + middle * id.length;
      const order = id.compare(this.#bytes, start, start + id.length);
      if (order === 0) {
        this.#marked[middle] = 1;
        return true;
      }
      if (order < 0) high = middle;
      else low = middle + 1;
    }
    return false;
  }

  *unmarked(idBytes: number): Generator<string> {
    for (const [at, mark] of this.#marked.entries())
      if (mark === 0) yield this.#bytes.toString('hex', IDS + at * idBytes, IDS + (at + 1) * idBytes);
  }
}

/** The objects that lie in one directory of objects itself, and in none that it borrows from. */
export class OwnObjects {
  readonly #directory: string;
  #indexes: readonly PackIndex[] | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Marks the object; false where it is not here. */
  mark(id: string): boolean {
    const bytes = Buffer.from(id, 'hex');
    return this.#packs.some((index) => index.mark(bytes)) || existsSync(path.join(this.#directory, id.slice(0, 2), id.slice(2)));
  }

  /** Objects of packs that were not marked. */
  *unmarked(idBytes: number): Generator<string> {
    for (const index of this.#packs) yield* index.unmarked(idBytes);
  }

  get #packs(): readonly PackIndex[] {
    return (this.#indexes ??= readIndexes(path.join(this.#directory, 'pack')));
  }
}

function readIndexes(dir: string): PackIndex[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith('.idx'))
    .map((name) => new PackIndex(readFileSync(path.join(dir, name))));
}
