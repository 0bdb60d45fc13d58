import { TerokError } from './errors.ts';

/** A task's identity: also the name of its bottle, branch and directories, so it must be safe in all of them. */
const SLUG = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** Keeps `<runtime dir>/b/<slug>/exec.sock` below the 108 bytes of a socket path. */
export const MAX_SLUG_LENGTH = 40;

/**
 * True for a branch that a task may write: `terok/<slug>` and `terok/<slug>.<name>`. A slug has no dot, so this reaches no other task;
 * below `terok/<slug>/` nothing can stand, because git keeps a branch in a file.
 */
export function isTaskBranch(slug: string, branch: string): boolean {
  const main = `terok/${parseSlug(slug)}`;
  return branch === main || (branch.startsWith(`${main}.`) && /^(?!.*@\{)[^\s~^:?*[\\]+$/.test(branch.slice(main.length + 1)));
}

/** Returns `text` when it is a slug, otherwise throws USAGE. */
export function parseSlug(text: string): string {
  if (SLUG.test(text) && text.length <= MAX_SLUG_LENGTH) return text;
  throw new TerokError(
    'USAGE',
    `A task name is lower-case letters, digits and single hyphens, starts with a letter and has at most ${MAX_SLUG_LENGTH} characters; got \`${text}\`.`,
    { hint: 'For example `fix-login`.' },
  );
}
