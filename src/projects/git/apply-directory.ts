/*
 * Scope: brings a task's changes into a directory without git. Out of scope: merging: a file that the user changed too is a conflict.
 * Fail-safe direction: everything is checked before anything is written; only regular files below the directory, through real
 * directories alone; a run that was killed is finished by the next one, because a file that is already new counts as done.
 */
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { ignoreCodes, type ObjectFormat, renderUntrusted, splitNul, TerokError } from '../../core/index.ts';
import { isGitName } from './directory-walk.ts';
import { blobId } from './dirty-state.ts';
import { APPLIED_REF } from './gate.ts';
import { git, resolveRevision } from './git.ts';

import type { TaskRange } from './task-changes.ts';

export interface DirectoryApply {
  readonly source: string;
  readonly slug: string;
  readonly range: TaskRange;
}

interface FileChange {
  readonly path: Buffer;
  /** Undefined where the file is new */
  readonly old: { readonly mode: string; readonly id: string } | undefined;
  /** Undefined where the file is deleted */
  readonly next: { readonly mode: string; readonly id: string } | undefined;
}

const REGULAR = new Set(['100644', '100755']);
const MAX_CHANGES = 50_000;

/** Throws REFUSED, with the paths, where a change could not be made; then nothing was written. */
export async function applyDirectory({ source, slug, range }: DirectoryApply): Promise<void> {
  const { repository, base, tip } = range;
  const format: ObjectFormat = tip.length === 64 ? 'sha256' : 'sha1';
  const from = (await resolveRevision(repository, APPLIED_REF)) ?? base;
  const changes = await readChanges(repository, from, tip);
  assertAllowed(changes);
  const due: FileChange[] = [];
  const conflicts: string[] = [];
  for (const change of changes) {
    const state = await compare(source, change, format);
    if (state === 'due') due.push(change);
    else if (state !== 'done') conflicts.push(`${renderUntrusted(change.path)}: ${state}`);
  }
  if (conflicts.length > 0) throw conflictError(slug, conflicts);
  await writeChanges({ source, slug, repository, due });
  // Also of files that a run removed which was killed before it came to their directories
  for (const { path, next } of changes) if (next === undefined) await removeEmptyParents(source, path);
  await git(repository, ['update-ref', '--no-deref', APPLIED_REF, tip]);
}

async function readChanges(repository: string, from: string, tip: string): Promise<FileChange[]> {
  const parts = splitNul(
    (await git(repository, ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--full-index', '--no-ext-diff', from, tip, '--'])).stdout,
  );
  const changes: FileChange[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [oldMode = '', mode = '', oldId = '', id = ''] = (parts[at] ?? Buffer.alloc(0)).toString('latin1').slice(1).split(' ');
    const side = (sideMode: string, sideId: string): FileChange['old'] =>
      sideMode === '000000' ? undefined : { mode: sideMode, id: sideId };
    changes.push({ path: parts[at + 1] ?? Buffer.alloc(0), old: side(oldMode, oldId), next: side(mode, id) });
  }
  return changes;
}

function assertAllowed(changes: readonly FileChange[]): void {
  if (changes.length > MAX_CHANGES)
    throw new TerokError('REFUSED', `The task changed ${changes.length} files; at most ${MAX_CHANGES} are applied to a directory.`);
  for (const { path, next } of changes) {
    const problem = problemOf(path, next?.mode);
    if (problem !== undefined) {
      throw new TerokError('REFUSED', `The change of \`${renderUntrusted(path)}\` is not applied: ${problem}.`, {
        hint: 'Look at it with `terok diff`; nothing was changed in the directory.',
      });
    }
  }
}

function problemOf(path: Buffer, mode: string | undefined): string | undefined {
  if (mode !== undefined && !REGULAR.has(mode)) return mode === '120000' ? 'it is a symbolic link' : 'it is no regular file';
  const parts = path.toString('latin1').split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'its path leaves the directory';
  return parts.some((part) => isGitName(Buffer.from(part, 'latin1'))) ? 'its path names `.git`' : undefined;
}

/** `due`, `done`, or what stands against the change. */
async function compare(source: string, { path, old, next }: FileChange, format: ObjectFormat): Promise<string> {
  const parent = await findParent(source, path);
  if (parent === 'blocked') return 'a directory on its way is a link or a file';
  const file = below(source, path);
  const found = parent === 'absent' ? undefined : await ignoreCodes(['ENOENT'], () => lstat(file));
  if (found === undefined) return next === undefined ? 'done' : old === undefined ? 'due' : 'you deleted it';
  if (found.isDirectory() && old === undefined) return 'a directory of this name exists';
  if (!found.isFile()) return 'it is no regular file in the directory';
  const id = blobId(await readNoFollow(file), format);
  const executable = (found.mode & 0o100) !== 0;
  if (next !== undefined && id === next.id && executable === (next.mode === '100755')) return 'done';
  return old !== undefined && id === old.id ? 'due' : 'it changed in the directory since the task began';
}

async function findParent(source: string, path: Buffer): Promise<'present' | 'absent' | 'blocked'> {
  for (let at = path.indexOf(47); at !== -1; at = path.indexOf(47, at + 1)) {
    const found = await ignoreCodes(['ENOENT'], () => lstat(below(source, path.subarray(0, at))));
    if (found === undefined) return 'absent';
    if (!found.isDirectory()) return 'blocked';
  }
  return 'present';
}

interface Writing {
  readonly source: string;
  readonly slug: string;
  readonly repository: string;
  readonly due: readonly FileChange[];
}

/** All new contents are written beside the files first, so that a full disk is found before the first file changes. */
async function writeChanges({ source, slug, repository, due }: Writing): Promise<void> {
  const staging = `${source}/.terok-apply-${slug}`;
  await rm(staging, { recursive: true, force: true });
  if (due.length === 0) return;
  await mkdir(staging, { mode: 0o700 });
  try {
    for (const [index, { next }] of due.entries()) {
      if (next === undefined) continue;
      const content = await git(repository, ['cat-file', 'blob', next.id]);
      await writeFile(`${staging}/${index}`, content.stdout, { flag: 'wx' });
      await chmod(`${staging}/${index}`, next.mode === '100755' ? 0o755 : 0o644);
    }
    for (const { path } of due.filter(({ next }) => next === undefined)) await removeFile(source, path);
    for (const [index, { path, next }] of due.entries()) {
      if (next !== undefined) await placeFile(source, path, `${staging}/${index}`);
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function placeFile(source: string, path: Buffer, staged: string): Promise<void> {
  for (let at = path.indexOf(47); at !== -1; at = path.indexOf(47, at + 1)) {
    await ignoreCodes(['EEXIST'], () => mkdir(below(source, path.subarray(0, at))));
  }
  if ((await findParent(source, path)) !== 'present')
    throw conflictError('', [`${renderUntrusted(path)}: a directory on its way was replaced`]);
  await rename(staged, below(source, path));
}

async function removeFile(source: string, path: Buffer): Promise<void> {
  if ((await findParent(source, path)) !== 'present') return;
  await rm(below(source, path), { force: true });
}

async function removeEmptyParents(source: string, path: Buffer): Promise<void> {
  if ((await findParent(source, path)) === 'blocked') return;
  for (let at = path.lastIndexOf(47); at > 0; at = path.subarray(0, at).lastIndexOf(47)) {
    const removed = await ignoreCodes(['ENOTEMPTY', 'EEXIST'], async () => {
      await ignoreCodes(['ENOENT'], () => rmdir(below(source, path.subarray(0, at))));
      return true;
    });
    if (removed === undefined) return;
  }
}

async function readNoFollow(file: Buffer): Promise<Buffer> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return await readFile(handle);
  } finally {
    await handle.close();
  }
}

function conflictError(slug: string, conflicts: readonly string[]): TerokError {
  const shown = conflicts.slice(0, 20).join('\n  ');
  return new TerokError(
    'REFUSED',
    `The changes of the task do not fit the directory; nothing was changed:\n  ${shown}${conflicts.length > 20 ? '\n  …' : ''}`,
    {
      context: { slug, conflicts: conflicts.length },
      hint: 'Look at them with `terok diff` and take by hand what you want.',
    },
  );
}

function below(source: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${source}/`), path]);
}
