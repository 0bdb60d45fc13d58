import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ensureGate, importSource } from '../../src/projects/git/index.ts';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

describeUnless(process.getuid?.() === 0 ? undefined : 'only root can mount a small disk', 'a gate on a disk that is full', () => {
  test('refuses the push, keeps the ref, leaves no quarantine, and takes the push when there is room', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const objects = path.join(imported.repository, 'objects');
    await rename(objects, `${objects}.kept`);
    await mkdir(objects);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', objects]);
    try {
      execFileSync('cp', ['-a', `${objects}.kept/.`, objects]);
      // Relative to where the objects lie, which the mount did not change
      const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
      await lab.commit(clone, { 'big.bin': randomBytes(12_000_000) }, 'Big');
      const result = await gitIn(clone, ['push']);
      expect(result.code).not.toBe(0);
      expect(result.stderr).toMatch(/No space left on device|unpack/);
      expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(imported.baseCommit);
      expect((await readdir(objects)).filter((name) => name.startsWith('tmp_objdir'))).toEqual([]);
      execFileSync('mount', ['-o', 'remount,size=64m', objects]);
      await mustGit(clone, ['push']);
    } finally {
      execFileSync('umount', ['-l', objects]);
    }
  });
});

describeUnless(undefined, 'the gate on unusual repositories', () => {
  test('SHA-256: clone, push, refused push', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository('shop', ['--object-format=sha256']), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const tip = await lab.commit(clone, { 'a.txt': 'a\n' }, 'A');
    await mustGit(clone, ['push']);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
    await lab.commit(clone, { 'a\u200bb': 'x\n' }, 'Hostile');
    expect((await gitIn(clone, ['push'])).stderr).toContain('invisible character');
  });

  test('partial and shallow clones work; a filter that names an object does not', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    for (const name of ['one', 'two', 'three']) await lab.commit(source, { [`${name}.txt`]: `${name}\n` }, name);
    const imported = await lab.import(source, 'shop');
    const url = await lab.serve(imported, 'shop');
    await mustGit(lab.root, ['clone', '--quiet', '--depth=1', url, 'shallow']);
    expect(await mustGit(path.join(lab.root, 'shallow'), ['rev-list', '--count', 'HEAD'])).toBe('1');
    await mustGit(lab.root, ['clone', '--quiet', '--filter=blob:none', '--no-checkout', url, 'partial']);
    const missing = await mustGit(path.join(lab.root, 'partial'), ['rev-list', '--objects', '--missing=print', 'HEAD']);
    expect(missing).toContain('?');
    await mustGit(path.join(lab.root, 'partial'), ['checkout', '--quiet', 'terok/shop']);
    const blob = await mustGit(source, ['rev-parse', 'HEAD:one.txt']);
    expect((await gitIn(lab.root, ['clone', '--quiet', `--filter=sparse:oid=${blob}`, url, 'sparse'])).stderr).toContain(
      "filter 'sparse:oid' not supported",
    );
    // A push out of a shallow clone
    const shallow = path.join(lab.root, 'shallow');
    const tip = await lab.commit(shallow, { 'a.txt': 'a\n' }, 'A');
    await mustGit(shallow, ['push', 'origin', 'HEAD:terok/shop']);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
  });

  test('100 000 refs of the user neither stop a push nor are sent to the bottle', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const id = await mustGit(source, ['rev-parse', 'HEAD']);
    const lines = Array.from({ length: 100_000 }, (_value, index) => `${id} refs/heads/many/${index}\n`);
    await writeFile(path.join(source, '.git/packed-refs'), `# pack-refs with: peeled fully-peeled sorted \n${lines.sort().join('')}`);
    const gate = await ensureGate(lab.dataDir, source);
    const imported = await importSource({ gate, source, slug: 'shop' });
    if (imported.kind !== 'git') throw new Error('no repository');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    expect((await mustGit(clone, ['ls-remote', 'origin'])).split('\n').length).toBeLessThan(5);
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'A');
    await mustGit(clone, ['push']);
  });

  test('its own notes can be written by a task, and no others', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    await mustGit(clone, ['notes', '--ref', 'terok/shop', 'add', '-m', 'note']);
    await mustGit(clone, ['push', 'origin', 'refs/notes/terok/shop']);
    for (const ref of ['refs/notes/commits', 'refs/notes/terok/other', 'refs/notes/terok/shop2'])
      expect((await gitIn(clone, ['push', 'origin', `refs/notes/terok/shop:${ref}`])).stderr, ref).toContain('this task may not write');
  });

  test('a scanner that is killed refuses the push, and the next one is taken', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const events: GateEvent[] = [];
    const clone = await lab.clone(await lab.serve(imported, 'shop', events), 'shop');
    await lab.commit(clone, { 'big.bin': randomBytes(20_000_000) }, 'Big');
    const pushing = gitIn(clone, ['push']);
    const killer = setInterval(() => {
      for (const pid of scannersOf(imported.repository)) process.kill(pid, 'SIGKILL');
    }, 100);
    const result = await pushing;
    clearInterval(killer);
    expect(result.code).not.toBe(0);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(imported.baseCommit);
    await mustGit(clone, ['push']);
    await mustGit(imported.repository, ['fsck', '--connectivity-only']);
  });
});

/** Processes whose environment says that they scan a push to this repository. */
function scannersOf(repository: string): number[] {
  const out = execFileSync('sh', ['-c', 'grep -lzF "$1" /proc/[0-9]*/environ 2>/dev/null || true', 'sh', `"repository":"${repository}"`], {
    encoding: 'utf8',
  });
  return out
    .split('\n')
    .map((line) => Number(/^\/proc\/(\d+)\//.exec(line)?.[1]))
    .filter((pid) => pid > 0 && isScanner(pid));
}

function isScanner(pid: number): boolean {
  return execFileSync('sh', ['-c', 'tr "\\0" " " < /proc/$1/cmdline 2>/dev/null || true', 'sh', String(pid)], {
    encoding: 'utf8',
  }).includes('git-gate/scan/main');
}
