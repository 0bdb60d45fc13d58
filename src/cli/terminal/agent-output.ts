import { writeAll } from './output.ts';
import { RESET, TerminalFilter } from './terminal-filter.ts';

/** Writes what an agent prints: filtered where the reader is a terminal, byte for byte elsewhere. */
export class AgentOutput {
  readonly #stream: NodeJS.WriteStream;
  readonly #filter: TerminalFilter | undefined;

  constructor(stream: NodeJS.WriteStream, options: { readonly raw?: boolean } = {}) {
    this.#stream = stream;
    this.#filter = stream.isTTY === true && options.raw !== true ? new TerminalFilter() : undefined;
  }

  /** Resolves when the reader took enough of it for more to be written */
  async write(chunk: Buffer): Promise<void> {
    await writeAll(this.#stream, this.#filter === undefined ? chunk : this.#filter.filter(chunk));
  }

  /** Leaves the terminal without the agent's colours */
  async end(): Promise<void> {
    if (this.#filter !== undefined) await writeAll(this.#stream, RESET);
  }
}
