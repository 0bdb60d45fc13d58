import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { PackIndex } from './pack-index.ts';

interface Pack {
  readonly index: PackIndex;
  readonly marked: Uint8Array;
}

/** The objects that lie in one directory of objects itself, and in none that it borrows from. */
export class OwnObjects {
  readonly #directory: string;
  #known: readonly Pack[] | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Marks the object; false where it is not here. */
  mark(id: string): boolean {
    const bytes = Buffer.from(id, 'hex');
    return this.#packs.some((pack) => markIn(pack, bytes)) || existsSync(path.join(this.#directory, id.slice(0, 2), id.slice(2)));
  }

  /** Objects of packs that were not marked. */
  *unmarked(idBytes: number): Generator<string> {
    for (const { index, marked } of this.#packs)
      for (const [place, mark] of marked.entries()) if (mark === 0) yield index.idAt(place, idBytes);
  }

  get #packs(): readonly Pack[] {
    return (this.#known ??= readPacks(path.join(this.#directory, 'pack')));
  }
}

function markIn({ index, marked }: Pack, id: Buffer): boolean {
  const place = index.find(id);
  if (place !== undefined) marked[place] = 1;
  return place !== undefined;
}

function readPacks(dir: string): Pack[] {
  const names = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.idx')) : [];
  return names.map((name) => {
    const index = new PackIndex(path.join(dir, name));
    return { index, marked: new Uint8Array(index.count) };
  });
}
