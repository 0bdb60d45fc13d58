import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { taskLfsDir } from '../../src/projects/git/index.ts';
import { lfsFile } from '../../src/sidecars/git-gate/lfs/lfs-store.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { mustGit, runIn } from './git-harness.ts';

const installed = (await runIn('/tmp', ['git', 'lfs', 'version'])).code === 0;

interface Bench extends ForgeProject {
  readonly clone: string;
  readonly content: Buffer;
}

/** A task that has pushed a file of Git LFS to its gate. */
async function openBench(): Promise<Bench> {
  const bench = await openForgeProject();
  const { lab, imported, vaultDir, source, gate } = bench;
  const lfs = { directory: taskLfsDir(gate, 'shop'), offered: path.join(source, '.git/lfs/objects') };
  const clone = await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir, lfs }), 'shop');
  await mustGit(clone, ['lfs', 'install', '--local']);
  await mustGit(clone, ['lfs', 'track', '--filename', 'a.bin']);
  const content = randomBytes(300_000);
  await writeFile(path.join(clone, 'a.bin'), content);
  await mustGit(clone, ['add', '--all']);
  await mustGit(clone, ['commit', '--quiet', '--message', 'Add a']);
  await mustGit(clone, ['push', '--quiet']);
  return { ...bench, clone, content };
}

const oidOf = async (repository: string): Promise<string> =>
  /^oid sha256:([0-9a-f]{64})$/m.exec(await mustGit(repository, ['show', 'terok/shop:a.bin']))?.[1] ?? '';

describeUnless(installed ? undefined : 'git-lfs is not installed', 'applying work with files of Git LFS', () => {
  test('brings their objects, so that git-lfs finds them', async () => {
    await using bench = await openBench();
    const { terok, source, content } = bench;
    const { digest } = await terok.reviews.open('shop');
    await terok.apply('shop', { approve: digest });
    await mustGit(source, ['lfs', 'install', '--local']);
    await mustGit(source, ['checkout', '--quiet', 'terok/shop']);
    expect((await readFile(path.join(source, 'a.bin'))).equals(content)).toBe(true);
    // What apply brought is what made that work
    await rm(path.join(source, '.git/lfs/objects'), { recursive: true });
    await rm(path.join(source, 'a.bin'));
    expect((await runIn(source, ['git', 'checkout', '--quiet', '--', 'a.bin'])).code).not.toBe(0);
  });

  test('refuses an object that is not what its name says, before a branch names it', async () => {
    await using bench = await openBench();
    const { terok, source, gate, clone } = bench;
    const oid = await oidOf(clone);
    const { digest } = await terok.reviews.open('shop');
    await writeFile(lfsFile(taskLfsDir(gate, 'shop'), oid), randomBytes(300_000));
    await expect(terok.apply('shop', { approve: digest })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('SHA-256'),
    });
    expect((await runIn(source, ['git', 'rev-parse', '--verify', 'refs/heads/terok/shop'])).code).not.toBe(0);
    await expect(readFile(lfsFile(path.join(source, '.git/lfs/objects'), oid))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
