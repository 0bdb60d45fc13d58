import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { taskChanges } from '../../src/projects/git/index.ts';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { commitOf, idOf, packOf, pushPack, storedEntry, thinEntry } from '../support/pack-writer.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

describe('the git gate', () => {
  test('gives a clone on the branch of the task, and `git push` without arguments works', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const events: GateEvent[] = [];
    const clone = await lab.clone(await lab.serve(imported, 'shop', events), 'shop');
    expect(await mustGit(clone, ['branch', '--show-current'])).toBe('terok/shop');
    const tip = await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push']);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
    expect(await taskChanges(imported.gate, 'shop')).toMatchObject({
      tip,
      commitCount: 1,
      commits: [{ subject: 'Add a' }],
      files: [{ path: 'a.txt', change: 'added', insertions: 1 }],
    });
    expect(events.filter(({ phase }) => phase === 'done').map(({ service }) => service)).toContain('git-receive-pack');
  });

  test('refuses a push to another ref with a message that names the right one', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    for (const ref of [
      'refs/heads/main',
      'refs/heads/terok/other',
      'refs/heads/terok/shop2',
      'refs/heads/terok/shop2.more',
      'refs/heads/terok/shop/below',
      'refs/notes/terok/shop/below',
      'refs/notes/terok/shop2.more',
      'refs/tags/v1',
      'refs/terok/base',
      'refs/replace/1',
    ]) {
      const result = await gitIn(clone, ['push', 'origin', `HEAD:${ref}`]);
      expect(result.code, ref).toBe(1);
      if (!ref.startsWith('refs/terok/')) expect(result.stderr).toContain('git push origin HEAD:refs/heads/terok/shop');
    }
    const refs = await mustGit(imported.repository, ['for-each-ref', '--format=%(refname) %(objectname)']);
    expect(refs.split('\n').every((line) => line.endsWith(imported.baseCommit))).toBe(true);
    expect(refs).not.toContain('other');
  });

  test('takes further branches of the task beside its first one, and keeps what they replace under their name', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const [imported, other] = [await lab.import(source, 'shop'), await lab.import(source, 'shop-more')];
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const first = await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push', 'origin', 'HEAD:terok/shop', 'HEAD:terok/shop.more', 'HEAD:terok/shop.-more', 'HEAD:terok/shop.a/b.c']);
    const second = await lab.commit(clone, { 'b.txt': 'b\n' }, 'Add b');
    await mustGit(clone, ['push', 'origin', 'HEAD:terok/shop.more']);
    expect((await gitIn(clone, ['push', 'origin', ':terok/shop.more', ':terok/shop.a/b.c'])).stderr).toContain('kept as a backup');
    const kept = await mustGit(imported.repository, ['for-each-ref', '--format=%(refname:lstrip=4)', 'refs/terok/backup/shop/']);
    expect(kept.split('\n').map((name) => name.slice('20260101T000000Z-'.length))).toEqual(
      expect.arrayContaining([`${second.slice(0, 12)}.more`, `${first.slice(0, 12)}.a/b.c`]),
    );
    // A dot cannot begin or end the part of a name, nor stand twice: git refuses these itself
    for (const name of ['shop..', 'shop.', 'shop./../shop-more', 'shop.lock']) {
      expect((await gitIn(clone, ['push', 'origin', `HEAD:refs/heads/terok/${name}`])).code, name).not.toBe(0);
    }
    expect(await mustGit(other.repository, ['for-each-ref', '--format=%(objectname)', 'refs/heads/terok/'])).toBe(other.baseCommit);
  });

  test('keeps what a force push or a deletion replaces', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const first = await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push']);
    await mustGit(clone, ['commit', '--quiet', '--amend', '--message', 'Other']);
    expect((await gitIn(clone, ['push', '--force'])).stderr).toContain('kept as a backup');
    const second = await mustGit(clone, ['rev-parse', 'HEAD']);
    expect((await gitIn(clone, ['push', 'origin', ':terok/shop'])).code).toBe(0);
    const backups = await mustGit(imported.repository, ['for-each-ref', '--format=%(objectname)', 'refs/terok/backup/shop/']);
    expect(backups.split('\n').sort()).toEqual([first, second].sort());
    expect((await gitIn(clone, ['ls-remote', 'origin'])).stdout).not.toContain('refs/terok');
  });

  test('takes 40 MB, and concurrent pushes of which one wins', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const url = await lab.serve(imported, 'shop');
    const clones = await Promise.all(['one', 'two', 'three'].map((name) => lab.clone(url, 'shop', name)));
    const tips = await Promise.all(
      clones.map((clone, index) => lab.commit(clone, { 'big.bin': randomBytes(index === 0 ? 40_000_000 : 1_000) }, `Add ${index}`)),
    );
    const results = await Promise.all(clones.map((clone) => gitIn(clone, ['push'])));
    const winners = results.flatMap(({ code }, index) => (code === 0 ? [tips[index]] : []));
    expect(winners).toHaveLength(1);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(winners[0]);
    const big = clones[0] ?? '';
    await mustGit(big, ['push', '--force']);
    expect(await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tips[0]);
    await mustGit(imported.repository, ['fsck', '--connectivity-only']);
  });

  test('gives nothing of a branch that the task does not see to a fetch or a push that names it', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    await mustGit(source, ['switch', '--quiet', '-c', 'private']);
    const hidden = await lab.commit(source, { 'private.txt': 'private\n' }, 'Private');
    const blob = await mustGit(source, ['rev-parse', 'HEAD:private.txt']);
    await lab.import(source, 'other');
    await mustGit(source, ['switch', '--quiet', 'main']);
    const imported = await lab.import(source, 'shop');
    const url = await lab.serve(imported, 'shop');
    const known = await mustGit(source, ['rev-parse', 'main:README.md']);
    const asker = await lab.clone(url, 'shop');
    for (const id of [hidden, blob]) {
      // Positive control: git gives what it is asked for by its id
      expect((await gitIn(asker, ['fetch', '--quiet', source, id])).code).toBe(0);
      await mustGit(asker, ['init', '--quiet', '--bare', `../${id}`]);
      for (const version of ['0', '2']) {
        const asked = await gitIn(`${lab.root}/${id}`, ['-c', `protocol.version=${version}`, 'fetch', '--quiet', url, id]);
        expect([version, asked.code, asked.stderr]).toEqual([version, 128, expect.stringMatching(/403|unadvertised/)]);
      }
    }
    // Deltas that copy all of their base, twice; both files are short
    const twice = (length: number): Buffer => Buffer.from([length, 2 * length, 0x90, length, 0x90, length]);
    const readme = `${await mustGit(source, ['cat-file', 'blob', known])}\n`;
    const [copied, ownCopy] = ['private\n', readme].map((text) => idOf('blob', Buffer.from(text.repeat(2))));
    const attempts = [
      ['parent', commitOf(hidden, {}), []],
      ['file', commitOf(imported.baseCommit, { 'x.txt': blob }), []],
      ['base', commitOf(imported.baseCommit, { 'x.txt': copied ?? '' }), [thinEntry(blob, twice('private\n'.length))]],
      // A file of the branch that the task sees need not come along, and may be a base
      ['seen', commitOf(imported.baseCommit, { 'x.txt': known }), []],
      ['thin', commitOf(imported.baseCommit, { 'y.txt': ownCopy ?? '' }), [thinEntry(known, twice(readme.length))]],
    ] as const;
    for (const [name, made, more] of attempts) {
      const push = { old: '0'.repeat(40), next: made.tip, ref: `refs/heads/terok/shop.${name}` };
      const entries = [storedEntry('tree', made.tree), storedEntry('commit', made.commit), ...more];
      const pack = [...packOf(entries.length, entries)];
      // Positive control: the objects are here, so that git itself finds nothing missing
      expect((await gitIn(imported.repository, ['cat-file', '-e', hidden])).code).toBe(0);
      const answer = await pushPack(url, push, pack);
      if (name === 'seen' || name === 'thin') expect(answer).toContain(`ok ${push.ref}`);
      else expect(answer.replaceAll(/[0-9a-f]{4}\x02/g, '')).toContain('which it does not bring and this task does not see');
    }
    expect(await mustGit(imported.repository, ['for-each-ref', '--format=%(refname:lstrip=3)', 'refs/heads/terok/'])).toBe(
      'shop\nshop.seen\nshop.thin',
    );
  });

  test('shows a task nothing of another one, not even by object id', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const [one, two] = [await lab.import(source, 'one'), await lab.import(source, 'two')];
    const cloneOne = await lab.clone(await lab.serve(one, 'one'), 'one');
    const secret = await lab.commit(cloneOne, { 'secret.txt': 'secret\n' }, 'Secret');
    await mustGit(cloneOne, ['push']);
    const cloneTwo = await lab.clone(await lab.serve(two, 'two'), 'two');
    expect((await gitIn(cloneTwo, ['ls-remote', 'origin'])).stdout).not.toContain('terok/one');
    // Positive control: the same request is answered by a repository that has the object
    expect((await gitIn(cloneTwo, ['fetch', await lab.serve(one, 'one'), secret])).code).toBe(0);
    await mustGit(cloneTwo, ['update-ref', '-d', 'FETCH_HEAD']).catch(() => undefined);
    const fresh = await lab.clone(await lab.serve(two, 'two'), 'two', 'fresh');
    const result = await gitIn(fresh, ['fetch', 'origin', secret]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('not our ref');
  });
});
