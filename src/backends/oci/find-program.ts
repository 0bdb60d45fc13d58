import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../core/index.ts';

/** System directories that a shell of an unprivileged user often lacks in its PATH. */
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** Absolute path of a program: the first hit in the absolute directories of PATH; undefined where there is none. */
export async function findProgram(name: string, searchPath: string | undefined): Promise<string | undefined> {
  const dirs = (searchPath ?? SYSTEM_DIRS.join(':')).split(':').filter((dir) => path.isAbsolute(dir));
  for (const dir of dirs) {
    const candidate = path.join(dir, name);
    if (await isExecutable(candidate)) return candidate;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  const found = await ignoreCodes(['ENOENT', 'EACCES', 'ENOTDIR'], async () => {
    await access(file, constants.X_OK);
    return true;
  });
  return found === true;
}
