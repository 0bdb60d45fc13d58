import { createHash } from 'node:crypto';
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf, TerokError, type TerokPaths } from '../core/index.ts';

/** A directory of the user that tasks work for. terok reads it and writes to it only with `apply`. */
export interface Project {
  /** Readable and unique for the directory, for example `shop-1f0c2a9b` */
  readonly id: string;
  /** Name of the directory, used inside the bottle: `/work/<name>` */
  readonly name: string;
  /** Absolute path without symlinks: the top of the git work tree, or the directory itself */
  readonly source: string;
  readonly isGit: boolean;
  /** terok's own data of this project: the gate */
  readonly dataDir: string;
}

/** Finds the project of a directory; throws USAGE where it is none, or one that nobody means as a project. */
export async function identifyProject(paths: TerokPaths, directory: string): Promise<Project> {
  const start = await realDirectory(directory);
  const top = await findGitTop(start);
  const source = top ?? start;
  if (source === path.parse(source).root) {
    throw new TerokError('USAGE', '`/` is not a project.', { hint: 'Name the directory of a repository: `terok run DIR …`.' });
  }
  const name = toName(path.basename(source));
  const id = `${name.toLowerCase()}-${createHash('sha256').update(source).digest('hex').slice(0, 8)}`;
  return { id, name, source, isGit: top !== undefined, dataDir: path.join(paths.data, 'projects', id) };
}

async function realDirectory(directory: string): Promise<string> {
  try {
    const resolved = await realpath(directory);
    if ((await lstat(resolved)).isDirectory()) return resolved;
    throw new TerokError('USAGE', `\`${directory}\` is not a directory.`, { hint: 'Name the directory of a repository.' });
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    throw new TerokError('NOT_FOUND', `The directory \`${directory}\` does not exist.`, {
      hint: 'Name the directory of a repository.',
      cause: error,
    });
  }
}

/** The nearest directory upwards that holds `.git` (a directory, or the file of a linked work tree). */
async function findGitTop(start: string): Promise<string | undefined> {
  for (let dir = start; ; dir = path.dirname(dir)) {
    if (await exists(path.join(dir, '.git'))) return dir;
    if (dir === path.dirname(dir)) return undefined;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'EACCES') return false;
    throw error;
  }
}

/** Letters, digits, dot, underscore and hyphen only, so that the name is safe as a path component in the bottle. */
function toName(basename: string): string {
  const name = basename
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '')
    .slice(0, 40);
  return name === '' ? 'project' : name;
}
