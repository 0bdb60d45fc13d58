import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BottlePlan } from '../../../src/core/index.ts';
import { bottleDirs } from '../../../src/core/index.ts';
import {
  type BottlePhase,
  type BottleRecord,
  listRecords,
  readRecord,
  recordFile,
  reserveName,
  updateRecord,
  writeRecord,
} from '../../../src/core/resolve/index.ts';
import { type TemporaryPaths, temporaryPaths } from '../../support/temporary-paths.ts';

let home: TemporaryPaths;
beforeEach(async () => {
  home = await temporaryPaths();
});
afterEach(() => home[Symbol.asyncDispose]());

const first: BottleRecord = { version: 1, slug: 'one', project: 'p', backend: 'fake', createdAt: '2030-01-01T00:00:00Z', phase: 'planned' };

const plan: BottlePlan = {
  backend: 'fake',
  spec: {
    slug: 'one',
    project: 'p',
    image: 'i',
    env: { A: 'x\ny' },
    limits: { memoryMiB: 1, cpus: 0.5, pids: 1, files: 1 },
    unenforcedLimits: ['cpus'],
    sudo: false,
    egress: {
      version: 1,
      routes: [{ name: 'r', hosts: ['api.example.com'], ports: [443], mode: 'inspect', methods: ['GET'], paths: ['/v1'] }],
    },
  },
  runtimeName: 'terok-one',
  stateDir: '/s',
  runtimeDir: '/r',
  missingLimits: ['cpus'],
  namespaceLauncher: ['podman', 'unshare'],
};

async function makeRecord(slug = 'one'): Promise<void> {
  await reserveName(home.paths, slug);
  await writeRecord(home.paths, { ...first, slug });
}

async function goTo(...phases: BottlePhase[]): Promise<void> {
  for (const phase of phases) await updateRecord(home.paths, 'one', (record) => ({ ...record, phase }));
}

test('a record with its plan comes back as it was written, readable by its owner only', async () => {
  await reserveName(home.paths, 'one');
  await writeRecord(home.paths, { ...first, plan, alias: '127.77.0.1', agent: 'claude', base: 'abc' });
  expect(await readRecord(home.paths, 'one')).toEqual({ ...first, plan, alias: '127.77.0.1', agent: 'claude', base: 'abc' });
  expect((await stat(recordFile(home.paths, 'one'))).mode & 0o777).toBe(0o600);
});

test('a bottle has one first record, and only in a reserved directory', async () => {
  await expect(writeRecord(home.paths, first)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await makeRecord();
  await expect(writeRecord(home.paths, first)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('the life of a bottle goes step by step, and each step may be repeated', async () => {
  await makeRecord();
  await goTo('created', 'created', 'sealed', 'running', 'stopped', 'running', 'running', 'removed');
  expect((await readRecord(home.paths, 'one'))?.phase).toBe('removed');
});

test.each<[BottlePhase[], BottlePhase]>([
  [[], 'running'],
  [[], 'sealed'],
  [['created'], 'running'],
  [['created', 'sealed', 'running'], 'created'],
  [['removed'], 'planned'],
])('after %j, %s is refused and nothing changes', async (before, to) => {
  await makeRecord();
  await goTo(...before);
  await expect(goTo(to)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect((await readRecord(home.paths, 'one'))?.phase).toBe(before.at(-1) ?? 'planned');
});

test('a removed bottle is not brought back by a late update', async () => {
  await makeRecord();
  await rm(bottleDirs(home.paths, 'one').stateDir, { recursive: true });
  await expect(goTo('created')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(stat(bottleDirs(home.paths, 'one').stateDir)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('20 updates at once are all kept', async () => {
  await makeRecord();
  await Promise.all(
    Array.from({ length: 20 }, () => updateRecord(home.paths, 'one', (record) => ({ ...record, base: `${record.base ?? ''}x` }))),
  );
  expect((await readRecord(home.paths, 'one'))?.base).toBe('x'.repeat(20));
});

test('the list shows half-made and damaged directories as what they are', async () => {
  expect(await listRecords(home.paths)).toEqual([]);
  await makeRecord('whole');
  await reserveName(home.paths, 'half');
  await reserveName(home.paths, 'broken');
  await writeFile(recordFile(home.paths, 'broken'), '{"version":1,');
  await reserveName(home.paths, 'unknown');
  await writeFile(recordFile(home.paths, 'unknown'), JSON.stringify({ ...first, slug: 'unknown', extra: true }));
  await mkdir(path.join(home.paths.state, 'bottles', 'lost+found'));
  const entries = await listRecords(home.paths);
  expect(entries.map(({ slug, kind }) => `${slug} ${kind}`)).toEqual([
    'broken corrupt',
    'half unfinished',
    'unknown corrupt',
    'whole record',
  ]);
});
