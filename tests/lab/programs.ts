import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../src/core/index.ts';

const NEEDED: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  mmdebstrap: 'mmdebstrap',
  mke2fs: 'e2fsprogs',
  setpriv: 'util-linux',
  podman: 'podman',
  npm: 'npm',
};

/** Undefined where the lab can be built and started, otherwise the reason why not. */
export async function whyNoLab(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (process.arch !== 'x64') return `the lab emulates an AMD processor with programs of x64; this machine is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'building the root filesystem of the lab needs root';
  const missing: string[] = [];
  for (const [program, debian] of Object.entries(NEEDED)) if (!(await isInPath(program, env))) missing.push(`${program} (${debian})`);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

async function isInPath(program: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  for (const dir of `${env.PATH ?? ''}:/usr/sbin:/sbin`.split(':')) {
    if (
      (await ignoreCodes(['ENOENT', 'EACCES', 'ENOTDIR'], async () => (await access(path.join(dir, program), constants.X_OK), true))) ===
      true
    )
      return true;
  }
  return false;
}
