/*
 * Scope: objects that a push names and does not bring. The repository of a task borrows the objects of the project's store, where those of
 * other tasks and branches are: a commit that names one of them by its id would make it readable. Out of scope: bases of deltas.
 * Fail-safe direction: what is neither in this repository itself nor reachable from what the task sees refuses the push.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { limitError } from './limit-error.ts';
import { startGit } from './quarantine-git.ts';
import { readParts } from './read-lines.ts';

const FANOUT = 8;
const IDS = FANOUT + 256 * 4;

export class BorrowedObjects {
  readonly #dirs: readonly string[];
  readonly #indexes: (readonly Buffer[] | undefined)[] = [];
  readonly #suspects = new Set<string>();

  /** @param quarantine of the push, a directory in the objects of the repository */
  constructor(quarantine: string) {
    this.#dirs = [quarantine, path.dirname(quarantine)];
  }

  note(id: string): void {
    if (!this.#dirs.some((dir, at) => this.#isIn(dir, at, id))) this.#suspects.add(id);
  }

  /** Throws where an object is left that no trusted commit reaches. */
  async assertNone(trusted: readonly string[]): Promise<void> {
    if (this.#suspects.size === 0) return;
    const list = startGit(['rev-list', '--objects', '--no-object-names', '--ignore-missing', '--stdin']);
    list.input.end(trusted.map((id) => `${id}\n`).join(''));
    for await (const id of readParts(list.output, 10)) this.#suspects.delete(id);
    await list.ended;
    const [first] = this.#suspects;
    if (first !== undefined)
      throw limitError(
        `a commit or tree that names ${first.slice(0, 12)}, which it does not bring and this task does not see`,
        'Push it whole.',
      );
  }

  #isIn(dir: string, at: number, id: string): boolean {
    const indexes = (this.#indexes[at] ??= readIndexes(path.join(dir, 'pack')));
    return indexes.some((index) => hasId(index, id)) || existsSync(path.join(dir, id.slice(0, 2), id.slice(2)));
  }
}

function readIndexes(dir: string): Buffer[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => name.endsWith('.idx'))
    .map((name) => readFileSync(path.join(dir, name)));
}

/** Of an index of version 2, which `pack-facts.ts` checks. */
function hasId(index: Buffer, hex: string): boolean {
  const id = Buffer.from(hex, 'hex');
  const first = id[0] ?? 0;
  let low = first === 0 ? 0 : index.readUInt32BE(FANOUT + (first - 1) * 4);
  let high = index.readUInt32BE(FANOUT + first * 4);
  while (low < high) {
    const middle = (low + high) >> 1;
    const start = IDS + middle * id.length;
    const order = id.compare(index, start, start + id.length);
    if (order === 0) return true;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return false;
}
