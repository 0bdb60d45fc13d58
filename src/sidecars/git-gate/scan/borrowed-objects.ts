/*
 * Scope: objects that a push makes readable and does not bring. The repository of a task borrows the objects of the project's store, where
 * those of other tasks and branches are: a commit that names one of them by its id would make it readable, and so would a delta against
 * one, whose base git adds to the pack. Out of scope: what the objects hold.
 * Fail-safe direction: what is neither in this repository itself nor reachable from what the task sees refuses the push.
 */
import path from 'node:path';
import { OwnObjects } from './own-objects.ts';
import { pushError } from './push-error.ts';
import { startGit } from './quarantine-git.ts';
import { readParts } from './read-lines.ts';

export class BorrowedObjects {
  readonly #brought: OwnObjects;
  readonly #own: OwnObjects;
  readonly #suspects = new Set<string>();
  #idBytes = 20;

  /** @param quarantine of the push, a directory in the objects of the repository */
  constructor(quarantine: string) {
    this.#brought = new OwnObjects(quarantine);
    this.#own = new OwnObjects(path.dirname(quarantine));
  }

  /** An object that the push makes readable. */
  note(id: string): void {
    this.#idBytes = id.length / 2;
    if (!this.#brought.mark(id) && !this.#own.mark(id)) this.#suspects.add(id);
  }

  /** Throws where an object is left that no trusted commit reaches. */
  async assertNone(trusted: readonly string[]): Promise<void> {
    for (const base of this.#brought.unmarked(this.#idBytes)) if (!this.#own.mark(base)) this.#suspects.add(base);
    // Most are in the newest trees; to look through all of history takes its time
    for (const options of [['--no-walk'], []]) if (this.#suspects.size > 0) await this.#clear(options, trusted);
    const [first] = this.#suspects;
    if (first === undefined) return;
    throw pushError(
      `the push needs the object ${first.slice(0, 12)}, which it does not bring and this task does not see`,
      'Fetch, and push what you have whole: `git push --no-thin`.',
    );
  }

  async #clear(options: readonly string[], trusted: readonly string[]): Promise<void> {
    const list = startGit(['rev-list', '--objects', '--no-object-names', '--ignore-missing', ...options, '--stdin']);
    list.input.end(trusted.map((id) => `${id}\n`).join(''));
    for await (const id of readParts(list.output, 10)) this.#suspects.delete(id);
    await list.ended;
  }
}
