/*
 * Scope: what the pushed branches held before the push. Out of scope: what other refs hold.
 * Fail-safe direction: a path that cannot be asked for is not known.
 */
import { askGit } from './quarantine-git.ts';

/** A larger file is not read again to excuse a finding */
const MAX_BYTES = 8 * 1024 ** 2;

export class KnownContent {
  readonly #revisions: readonly string[];

  /** @param old trusted values of the pushed refs; where the task began counts as well */
  constructor(old: readonly string[]) {
    this.#revisions = [...old, 'refs/terok/base'];
  }

  async hasText(path: string, text: string): Promise<boolean> {
    for (const revision of this.#revisions) {
      const size = await this.#ask(`${revision}:${path}`, 'blob %(objectsize)');
      if (size === undefined || Number(size.split(' ')[1]) > MAX_BYTES) continue;
      const content = await askGit(['cat-file', '--batch'], Buffer.from(`${revision}:${path}\n`, 'latin1'));
      if (content.toString('latin1').includes(text)) return true;
    }
    return false;
  }

  async hasPath(path: string): Promise<boolean> {
    for (const revision of this.#revisions) if ((await this.#ask(`${revision}:${path}`, '%(objecttype)')) !== undefined) return true;
    return false;
  }

  async #ask(name: string, format: string): Promise<string | undefined> {
    if (name.includes('\n')) return undefined;
    const answer = (await askGit(['cat-file', `--batch-check=${format}`], Buffer.from(`${name}\n`, 'latin1'))).toString('latin1').trimEnd();
    return / missing$|^missing|ambiguous$/.test(answer) ? undefined : answer;
  }
}
