import { randomInt } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, systemCodeOf, TerokError } from '../errors.ts';
import { bottleDirs, makePrivateDir, type TerokPaths } from '../paths.ts';
import { MAX_SLUG_LENGTH, parseSlug } from '../slug.ts';

export interface SlugWish {
  /** Words that a person will recognise the task by: the start of the prompt, or the project's name */
  readonly hint: string;
  readonly isTaken: (slug: string) => boolean | Promise<boolean>;
  /** Integer from 0 to below the bound */
  readonly random?: (bound: number) => number;
}

const MAX_WORDS = 3;
const MAX_WORD_LENGTH = 12;
const SUFFIX_LENGTH = 4;
/** A million suffixes per set of words: more misses than this mean that `isTaken` is wrong, not that names ran out. */
const MAX_ATTEMPTS = 100;
/** Without vowels, so that no words arise, and without 0, 1 and l, which are hard to tell apart. */
const SUFFIX_ALPHABET = 'bcdfghjkmnpqrstvwxz23456789';
const STOP_WORDS = new Set(
  'a an and are as at be by can could do for from have i if in into is it its me my of on or our please should so that the their them then there this to us was we were will with would you your'.split(
    ' ',
  ),
);

/** Makes a readable task name that is not taken, for example `fix-login-7k2m`. It is free when returned; `reserveSlug` keeps it. */
export async function mintSlug({ hint, isTaken, random = randomInt }: SlugWish): Promise<string> {
  const words = wordsOf(hint);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const slug = parseSlug([...words, suffix(random)].join('-'));
    if (!(await isTaken(slug))) return slug;
  }
  throw new TerokError('ALREADY_EXISTS', `No free task name for \`${words.join('-')}\` was found in ${MAX_ATTEMPTS} attempts.`, {
    hint: 'Give the task a name of your own with `--name`.',
  });
}

/** Mints a slug and reserves it: of several processes exactly one gets each name. Removing the bottle's directory gives it back. */
export async function reserveSlug(paths: TerokPaths, hint: string, random: (bound: number) => number = randomInt): Promise<string> {
  return await mintSlug({ hint, random, isTaken: async (slug) => !(await reserve(paths, slug)) });
}

/** Reserves a name that the user chose; throws USAGE where it is no slug and ALREADY_EXISTS where a task has it. */
export async function reserveName(paths: TerokPaths, name: string): Promise<string> {
  const slug = parseSlug(name);
  if (await reserve(paths, slug)) return slug;
  throw new TerokError('ALREADY_EXISTS', `A task named \`${slug}\` exists.`, {
    context: { slug },
    hint: `Choose another name, or remove that task with \`terok rm ${slug}\`.`,
  });
}

/** Finds the one task whose slug is `text` or starts with it; throws NOT_FOUND or AMBIGUOUS with the candidates. */
export async function resolveSlugPrefix(paths: TerokPaths, text: string): Promise<string> {
  const slugs = await takenSlugs(paths);
  if (slugs.includes(text)) return text;
  const matches = text === '' ? [] : slugs.filter((slug) => slug.startsWith(text));
  const [only, ...others] = matches;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined) {
    throw new TerokError('AMBIGUOUS', `\`${text}\` is the start of ${matches.length} tasks: ${listed(matches)}.`, {
      context: { text, candidates: matches },
      hint: 'Type more of the name.',
    });
  }
  const near = slugs.filter((slug) => isNear(slug, text));
  throw new TerokError('NOT_FOUND', `There is no task \`${text}\`.`, {
    context: { text, candidates: near },
    hint: near.length === 0 ? 'List the tasks with `terok list`.' : `Did you mean ${listed(near)}?`,
  });
}

/** Every reserved slug, in alphabetical order; directories with other names are not terok's. */
export async function takenSlugs(paths: TerokPaths): Promise<string[]> {
  const entries = (await ignoreCodes(['ENOENT'], () => readdir(path.join(paths.state, 'bottles'), { withFileTypes: true }))) ?? [];
  return entries.flatMap((entry) => (entry.isDirectory() && isSlug(entry.name) ? [entry.name] : [])).sort();
}

function isSlug(text: string): boolean {
  try {
    return parseSlug(text) === text;
  } catch {
    // Not a slug: the directory is someone else's
    return false;
  }
}

async function reserve(paths: TerokPaths, slug: string): Promise<boolean> {
  const { stateDir } = bottleDirs(paths, slug);
  await makePrivateDir(path.dirname(stateDir));
  try {
    await mkdir(stateDir, { mode: 0o700 });
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The telling words of a text, short enough that suffix and hyphens fit into a slug. */
function wordsOf(hint: string): string[] {
  const plain = hint.slice(0, 1000).normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const all = plain.replaceAll(/['’]/g, '').match(/[a-z0-9]+/g) ?? [];
  const telling = all.filter((word) => !STOP_WORDS.has(word));
  const words = (telling.length > 0 ? telling : all).slice(0, MAX_WORDS).map((word) => word.slice(0, MAX_WORD_LENGTH));
  while (words.join('-').length + 1 + SUFFIX_LENGTH > MAX_SLUG_LENGTH) words.pop();
  return /^[a-z]/.test(words[0] ?? '') ? words : ['task', ...words.slice(0, MAX_WORDS - 1)];
}

function suffix(random: (bound: number) => number): string {
  return Array.from({ length: SUFFIX_LENGTH }, () => SUFFIX_ALPHABET.charAt(random(SUFFIX_ALPHABET.length))).join('');
}

const MAX_LISTED = 8;

function listed(slugs: readonly string[]): string {
  const shown = slugs.slice(0, MAX_LISTED).map((slug) => `\`${slug}\``);
  return slugs.length > MAX_LISTED ? `${shown.join(', ')} and ${slugs.length - MAX_LISTED} more` : shown.join(', ');
}

/** A slug that contains the text, or whose start is one or two typing errors away from it. */
function isNear(slug: string, text: string): boolean {
  if (text.length < 3 || text.length > MAX_SLUG_LENGTH) return false;
  return (
    slug.includes(text) || editDistance(slug.slice(0, text.length), text) <= (text.length < 6 ? 1 : 2) || editDistance(slug, text) <= 2
  );
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [i, character] of left.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of right.split('').entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (character === other ? 0 : 1)));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
