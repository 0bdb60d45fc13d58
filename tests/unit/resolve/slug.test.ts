import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_SLUG_LENGTH, parseSlug } from '../../../src/core/index.ts';
import { mintSlug, reserveName, reserveSlug, resolveSlugPrefix, takenSlugs } from '../../../src/core/resolve/index.ts';
import { manyProcesses } from '../../support/many-processes.ts';
import { type TemporaryPaths, temporaryPaths } from '../../support/temporary-paths.ts';

let home: TemporaryPaths;
beforeEach(async () => {
  home = await temporaryPaths();
});
afterEach(() => home[Symbol.asyncDispose]());

const free = (): boolean => false;

test('a slug shows the telling words of the prompt', async () => {
  expect(await mintSlug({ hint: 'Please fix the login of our app', isTaken: free, random: () => 0 })).toBe('fix-login-app-bbbb');
  expect(await mintSlug({ hint: "Don't réparer café!", isTaken: free, random: () => 1 })).toBe('dont-reparer-cafe-cccc');
});

test.each(['', '日本語', '42 bugs', '--', '\u0000\n', 'the of a', `${'x'.repeat(200)} ${'y'.repeat(200)} ${'z'.repeat(200)}`])(
  'hint %j gives a valid slug',
  async (hint) => {
    const slug = await mintSlug({ hint, isTaken: free });
    expect(parseSlug(slug)).toBe(slug);
    expect(slug.length).toBeLessThanOrEqual(MAX_SLUG_LENGTH);
  },
);

test('any hint gives a valid slug', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (hint) => {
      const slug = await mintSlug({ hint, isTaken: free });
      expect(parseSlug(slug)).toBe(slug);
    }),
    { numRuns: 200 },
  );
});

test('a taken slug is not given out, and giving up is an error', async () => {
  const taken = new Set(['fix-bbbb']);
  let calls = 0;
  const random = (): number => (calls++ < 4 ? 0 : 1);
  expect(await mintSlug({ hint: 'fix', isTaken: (slug) => taken.has(slug), random })).toBe('fix-cccc');
  await expect(mintSlug({ hint: 'fix', isTaken: () => true })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('20 processes that want the same words get 20 names', async () => {
  const slugs = await manyProcesses(new URL('../../support/programs/reserve-slug.ts', import.meta.url), 20, home.env);
  expect(new Set(slugs).size).toBe(20);
  expect(await takenSlugs(home.paths)).toEqual(slugs.toSorted());
});

test('a reserved directory is private', async () => {
  const slug = await reserveSlug(home.paths, 'private');
  expect((await stat(path.join(home.paths.state, 'bottles', slug))).mode & 0o777).toBe(0o700);
});

test('a chosen name is given once', async () => {
  expect(await reserveName(home.paths, 'mine')).toBe('mine');
  await expect(reserveName(home.paths, 'mine')).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    hint: expect.stringContaining('terok rm mine'),
  });
  await expect(reserveName(home.paths, '../up')).rejects.toMatchObject({ code: 'USAGE' });
  const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => reserveName(home.paths, 'once')));
  expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a prefix names the one task that starts with it', async () => {
  for (const name of ['fix-login-7k2m', 'fix-logout-9x3p', 'fix', 'other']) await reserveName(home.paths, name);
  await mkdir(path.join(home.paths.state, 'bottles', 'Not A Slug'));
  expect(await resolveSlugPrefix(home.paths, 'fix-logi')).toBe('fix-login-7k2m');
  expect(await resolveSlugPrefix(home.paths, 'fix')).toBe('fix');
  await expect(resolveSlugPrefix(home.paths, 'fix-')).rejects.toMatchObject({
    code: 'AMBIGUOUS',
    context: { candidates: ['fix-login-7k2m', 'fix-logout-9x3p'] },
  });
  await expect(resolveSlugPrefix(home.paths, 'fxi-logni')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(resolveSlugPrefix(home.paths, 'fix-lgin')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    hint: expect.stringContaining('fix-login-7k2m'),
  });
  await expect(resolveSlugPrefix(home.paths, '')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('without any bottle there is nothing to find', async () => {
  await expect(resolveSlugPrefix(home.paths, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
