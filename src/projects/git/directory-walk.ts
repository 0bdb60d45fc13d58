import { lstat, readdir } from 'node:fs/promises';
import { ignoreCodes, TerokError } from '../../core/index.ts';

export interface DirectoryFile {
  /** Relative to the directory */
  readonly path: Buffer;
  readonly executable: boolean;
  readonly size: number;
}

/** A snapshot is read into memory file by file. */
export const LARGEST_FILE_BYTES = 512 * 1024 ** 2;
const MAX_TOTAL_BYTES = 2 * 1024 ** 3;
const MAX_FILES = 200_000;
const MAX_DEPTH = 100;

/** The regular files below a directory, in byte order; what is left out is counted in `notes`. Throws REFUSED where it is too large. */
export async function walkDirectory(source: string): Promise<{ files: readonly DirectoryFile[]; notes: readonly string[] }> {
  const files: DirectoryFile[] = [];
  const skipped = { links: 0, special: 0, repositories: 0 };
  let bytes = 0;
  const visit = async (relative: Buffer, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw tooLarge(source, `more than ${MAX_DEPTH} levels`);
    const here = relative.length === 0 ? Buffer.from(source) : join(Buffer.from(source), relative);
    const entries = await readdir(here, { withFileTypes: true, encoding: 'buffer' });
    for (const entry of entries.sort((one, other) => Buffer.compare(one.name, other.name))) {
      const path = relative.length === 0 ? entry.name : join(relative, entry.name);
      if (isGitName(entry.name)) skipped.repositories += 1;
      else if (entry.isDirectory()) await visit(path, depth + 1);
      else if (entry.isSymbolicLink()) skipped.links += 1;
      else if (!entry.isFile()) skipped.special += 1;
      else {
        const found = await ignoreCodes(['ENOENT'], () => lstat(join(Buffer.from(source), path)));
        if (found === undefined) continue;
        files.push({ path, executable: (found.mode & 0o100) !== 0, size: found.size });
        bytes += found.size;
        if (found.size > LARGEST_FILE_BYTES) throw tooLarge(source, `a file of more than ${LARGEST_FILE_BYTES} bytes`);
        if (bytes > MAX_TOTAL_BYTES) throw tooLarge(source, `more than ${MAX_TOTAL_BYTES} bytes`);
        if (files.length > MAX_FILES) throw tooLarge(source, `more than ${MAX_FILES} files`);
      }
    }
  };
  await visit(Buffer.alloc(0), 0);
  return { files, notes: notesOf(skipped) };
}

/** git refuses such a name in a tree, in any case of letters. */
export function isGitName(name: Buffer): boolean {
  return /^(?:\.git|git~1)[. ]*$/i.test(name.toString('latin1'));
}

function notesOf(skipped: { links: number; special: number; repositories: number }): string[] {
  return [
    skipped.links > 0 ? `Not copied: ${skipped.links} symbolic link(s).` : '',
    skipped.special > 0 ? `Not copied: ${skipped.special} socket(s), pipe(s) or device(s).` : '',
    skipped.repositories > 0 ? `Not copied: ${skipped.repositories} nested \`.git\`.` : '',
  ].filter((note) => note !== '');
}

function tooLarge(source: string, what: string): TerokError {
  return new TerokError('REFUSED', `The directory \`${source}\` is too large to copy: it has ${what}.`, {
    context: { source },
    hint: 'Run `git init` and commit what the task needs, or name a smaller directory.',
  });
}

function join(one: Buffer, other: Buffer): Buffer {
  return Buffer.concat([one, Buffer.from('/'), other]);
}
