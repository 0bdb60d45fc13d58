import { styleText } from 'node:util';
import { escapeText } from '../escape.ts';
import { Progress } from './progress.ts';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Where terok's own words go: results to standard output, progress and remarks to standard error. */
export class Output {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly progress: Progress;
  readonly #quiet: boolean;
  readonly #env: NodeJS.ProcessEnv;

  constructor(
    streams: { readonly stdout: NodeJS.WriteStream; readonly stderr: NodeJS.WriteStream },
    env: NodeJS.ProcessEnv,
    quiet: boolean,
  ) {
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.#quiet = quiet;
    this.#env = env;
    this.progress = new Progress(streams.stderr, quiet);
  }

  /** Whole lines of a result. Untrusted parts must have gone through `escapeText` */
  print(text: string): void {
    this.progress.pause();
    this.stdout.write(`${text}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** A line beside the result, left out with `--quiet`. */
  remark(text: string): void {
    if (this.#quiet) return;
    this.progress.pause();
    this.stderr.write(`${text}\n`);
  }

  /** A table with the cells escaped; without rows, the sentence `none`. */
  printTable(headings: readonly string[], rows: readonly (readonly string[])[], none: string): void {
    if (rows.length === 0) {
      this.remark(none);
      return;
    }
    const cells = rows.map((row) => row.map((cell) => escapeText(cell)));
    const widths = headings.map((heading, column) => Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)));
    const line = (row: readonly string[]): string =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd();
    this.print(this.paint('bold', line(headings)));
    for (const row of cells) this.print(line(row));
  }

  /** Colour on a terminal alone, and not where `NO_COLOR` is set. */
  paint(style: Style, text: string, stream: NodeJS.WriteStream = this.stdout): string {
    const wanted = stream.isTTY === true && (this.#env['NO_COLOR'] ?? '') === '' && this.#env['TERM'] !== 'dumb';
    return wanted ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Writes and waits while the reader is slow; a reader that went away ends the waiting. */
export async function writeAll(stream: NodeJS.WriteStream, chunk: Buffer | string): Promise<void> {
  if (stream.destroyed || stream.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    stream.once('drain', done).once('close', done).once('error', done);
  });
}
