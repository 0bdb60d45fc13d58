import { execFile } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { ignoreCodes, type TerminalSize } from '../../core/index.ts';
import { findMarked } from './process-tree.ts';

/** The command under `script`, which gives it a terminal; `script` takes a shell line, so the words are quoted. */
export function withTerminal(argv: readonly string[], { columns, rows }: TerminalSize): readonly string[] {
  const line = `stty cols ${Math.trunc(columns)} rows ${Math.trunc(rows)}; exec ${argv.map(quote).join(' ')}`;
  return ['script', '--quiet', '--return', '--flush', '--command', line, '/dev/null'];
}

/** Sets the size of the terminal that the marked processes have; the kernel tells them. */
export function resizeTerminal(marker: string, size: TerminalSize): void {
  void findTerminal(marker).then((device) => {
    if (device !== undefined) execFile('stty', ['-F', device, 'cols', String(size.columns), 'rows', String(size.rows)], () => undefined);
  });
}

async function findTerminal(marker: string): Promise<string | undefined> {
  for (const pid of await findMarked(marker)) {
    const device = await ignoreCodes(['ENOENT', 'EACCES', 'ESRCH'], () => readlink(`/proc/${pid}/fd/0`));
    if (device?.startsWith('/dev/pts/') === true) return device;
  }
  return undefined;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
