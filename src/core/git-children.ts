import { readdir, readFile } from 'node:fs/promises';
import { ignoreCodes } from './errors.ts';
import { GIT_OWNER } from './host-git.ts';

/** True while a git runs that the process `pid` started: a git goes on after its terok was killed. */
export async function hasLivingGit(pid: number): Promise<boolean> {
  const mark = `${GIT_OWNER}=${pid}`;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await ignoreCodes(['ENOENT', 'ESRCH', 'EACCES', 'EPERM'], () => readFile(`/proc/${name}/environ`, 'utf8'));
    if (environment?.split('\0').includes(mark) === true) return true;
  }
  return false;
}
