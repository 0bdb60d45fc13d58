import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadGlobalConfig, loadRepositoryRequests } from '../../../src/core/config/index.ts';
import { resolvePaths } from '../../../src/core/paths.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-config-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('a missing file is an empty configuration', async () => {
  const loaded = await loadGlobalConfig(resolvePaths({ TEROK_CONFIG_DIR: dir }));
  expect(loaded).toEqual({ file: path.join(dir, 'config.yml'), exists: false, value: {} });
});

test('the global file is read from the configuration directory', async () => {
  await writeFile(path.join(dir, 'config.yml'), 'agent: codex\n');
  expect((await loadGlobalConfig(resolvePaths({ TEROK_CONFIG_DIR: dir }))).value).toEqual({ agent: 'codex' });
});

test('the file of a repository is not read through a link', async () => {
  await writeFile(path.join(dir, 'secret'), 'agent: claude\n');
  await symlink('secret', path.join(dir, '.terok.yml'));
  await expect(loadRepositoryRequests(dir)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('symbolic link'),
  });
});

test('a pipe in the place of the file of a repository is refused, not waited for', async () => {
  execFileSync('mkfifo', [path.join(dir, '.terok.yml')]);
  await expect(loadRepositoryRequests(dir)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('regular file'),
  });
});
