import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { execaNode } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { bottleDirs, readStateFile } from '../../../src/core/index.ts';
import { acquireLoopbackAlias, releaseLoopbackAlias } from '../../../src/core/resolve/index.ts';
import { manyProcesses } from '../../support/many-processes.ts';
import { type TemporaryPaths, temporaryPaths } from '../../support/temporary-paths.ts';

const PROGRAM = new URL('../../support/programs/acquire-alias.ts', import.meta.url);

let home: TemporaryPaths;
beforeEach(async () => {
  home = await temporaryPaths();
});
afterEach(() => home[Symbol.asyncDispose]());

const makeBottle = (slug: string) => mkdir(bottleDirs(home.paths, slug).stateDir, { recursive: true });
const held = async (): Promise<string[]> => {
  const file = await readStateFile(
    path.join(home.paths.state, 'loopback.json'),
    z.looseObject({ aliases: z.record(z.string(), z.looseObject({ slug: z.string() })) }),
  );
  return Object.values(file?.aliases ?? {}).map(({ slug }) => slug);
};

test('a bottle keeps its address, and gives it back once', async () => {
  await makeBottle('one');
  const alias = await acquireLoopbackAlias(home.paths, 'one');
  expect(alias).toMatch(/^127\.77\.\d{1,3}\.\d{1,3}$/);
  expect(await acquireLoopbackAlias(home.paths, 'one')).toBe(alias);
  await releaseLoopbackAlias(home.paths, 'one');
  await releaseLoopbackAlias(home.paths, 'one');
  expect(await held()).toEqual([]);
});

test('20 processes at once get 20 addresses', async () => {
  const aliases = await manyProcesses(PROGRAM, 20, { ...home.env, HOLD_MS: '3000' });
  expect(new Set(aliases).size).toBe(20);
});

/** Makes the next acquirer meet the address of `slug`: the registry then names another bottle as its holder. */
async function takeOver(from: string, by: string): Promise<{ wanted: string; got: string }> {
  await makeBottle(by);
  const wanted = await acquireLoopbackAlias(home.paths, by);
  await releaseLoopbackAlias(home.paths, by);
  const file = path.join(home.paths.state, 'loopback.json');
  await crashedHolder(from);
  const schema = z.object({ version: z.literal(1), aliases: z.record(z.string(), z.unknown()) });
  const registry = await readStateFile(file, schema);
  const [entry] = Object.values(registry?.aliases ?? {});
  await writeFile(file, JSON.stringify({ version: 1, aliases: { [wanted]: entry } }));
  return { wanted, got: await acquireLoopbackAlias(home.paths, by) };
}

async function crashedHolder(slug: string): Promise<void> {
  const child = execaNode(fileURLToPath(PROGRAM), [slug.replace('alias-', '')], {
    nodePath: process.execPath,
    env: { ...home.env, HOLD_MS: '60000', NODE_NO_WARNINGS: '1' },
    reject: false,
  });
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  child.kill('SIGKILL');
  await child;
}

test('the address of a holder that was killed before its bottle had a record is given to the next', async () => {
  const { wanted, got } = await takeOver('alias-x', 'by');
  expect(got).toBe(wanted);
});

test('the address of a bottle with a record is kept when its holder is gone', async () => {
  await makeBottle('alias-x');
  await writeFile(path.join(bottleDirs(home.paths, 'alias-x').stateDir, 'record.json'), '{}');
  const { wanted, got } = await takeOver('alias-x', 'by');
  expect(got).not.toBe(wanted);
  await rm(bottleDirs(home.paths, 'alias-x').stateDir, { recursive: true });
  await releaseLoopbackAlias(home.paths, 'by');
  expect(await acquireLoopbackAlias(home.paths, 'by')).toBe(wanted);
});

test('other systems than Linux are refused before anything is written', async () => {
  await expect(acquireLoopbackAlias(home.paths, 'one', 'darwin')).rejects.toMatchObject({ code: 'UNSUPPORTED_BY_BACKEND' });
  expect(await held()).toEqual([]);
});
