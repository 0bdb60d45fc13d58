/** A `git` that ends its caller, and the end of such a caller. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../src/core/index.ts';
import { mustGit } from './git-harness.ts';

/** More calls of git than any command makes that is killed */
export const MOST_CALLS = 60;

/** A search path on which the call number `at` of git ends its caller with SIGKILL, before or after it did its work. */
export async function killingPath(root: string, at: number, when: 'before' | 'after'): Promise<string> {
  const dir = path.join(root, `bin-${at}-${when}`);
  await mkdir(dir);
  const git = (await mustGit(root, ['--exec-path'])) + '/git';
  const kill = `kill -9 "$PPID"`;
  await writeFile(
    path.join(dir, 'git'),
    `#!/bin/sh
mkdir '${dir}/calls' 2>/dev/null
for n in $(seq ${MOST_CALLS * 10}); do mkdir "${dir}/calls/$n" 2>/dev/null && break; done
[ "$n" = ${at} ] || exec '${git}' "$@"
${when === 'before' ? kill : `'${git}' "$@"; ${kill}`}
`,
  );
  await chmod(path.join(dir, 'git'), 0o755);
  return `${dir}:${process.env.PATH ?? ''}`;
}

/** False where the program ended before that call. A git that terok itself ends early is reached and kills nobody. */
export async function wasReached(root: string, at: number, when: 'before' | 'after'): Promise<boolean> {
  return (await ignoreCodes(['ENOENT'], () => stat(path.join(root, `bin-${at}-${when}/calls/${at}`)))) !== undefined;
}

/** Signal that ended it, or exit code 0; anything else is an error. */
export async function endOf(child: ChildProcess, input = ''): Promise<'killed' | 'done'> {
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdin?.on('error', () => undefined).end(input);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.once('close', (...end) => resolve(end)));
  if (signal === 'SIGKILL') return 'killed';
  if (code !== 0) throw new Error(`ended with ${signal ?? code}: ${said}`);
  return 'done';
}
