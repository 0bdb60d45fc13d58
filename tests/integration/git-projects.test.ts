import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  applyTask,
  discardTask,
  ensureGate,
  importDirectory,
  importSource,
  listTaskBranches,
  looseTip,
  pruneDiscarded,
  salvageCommand,
  taskChanges,
  taskDiff,
} from '../../src/projects/git/index.ts';
import { GitLab, gitIn, mustGit, runIn, TAKES_ALL, takeAll } from './git-harness.ts';

async function exists(file: string): Promise<boolean> {
  return await lstat(file).then(
    () => true,
    () => false,
  );
}

/** Every file below a directory with its content, except what a fetch may add. */
async function fingerprint(directory: string, ignored: RegExp): Promise<string> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const kept = names.filter((name) => !ignored.test(name)).sort();
  const hash = createHash('sha256');
  for (const name of kept) hash.update(name).update(await readFile(name));
  return hash.digest('hex');
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

describe('importing a repository', () => {
  test('copies HEAD and the default branch alone, and writes nothing to the source', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    await mustGit(source, ['switch', '--quiet', '-c', 'private']);
    await lab.commit(source, { 'private.txt': 'p\n' }, 'Private');
    await mustGit(source, ['switch', '--quiet', '-c', 'feature', 'main']);
    await lab.commit(source, { 'f.txt': 'f\n' }, 'Feature');
    const before = await fingerprint(source, /$^/);
    const imported = await lab.import(source, 'shop');
    expect(await fingerprint(source, /$^/)).toBe(before);
    expect(imported).toMatchObject({ branch: 'feature', notes: [], objectFormat: 'sha1' });
    const refs = await mustGit(imported.repository, ['for-each-ref', '--format=%(refname)', 'refs/heads']);
    expect(refs.split('\n')).toEqual(['refs/heads/feature', 'refs/heads/main', 'refs/heads/terok/shop']);
    const again = await lab.import(source, 'shop');
    expect(again.baseCommit).toBe(imported.baseCommit);
  });

  test('refuses a repository without a commit and says what to do', async () => {
    await using lab = await GitLab.create();
    const source = path.join(lab.root, 'empty');
    await mkdir(source);
    await mustGit(source, ['init', '--quiet']);
    await expect(lab.import(source, 'shop')).rejects.toMatchObject({ code: 'REFUSED', hint: expect.stringContaining('Commit first') });
  });

  test('refuses a branch without a commit beside branches with some, and takes it when it has one', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    await mustGit(source, ['switch', '--quiet', '--orphan', 'unborn']);
    await expect(lab.import(source, 'shop')).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('The branch `unborn`'),
      hint: expect.stringContaining('git switch BRANCH'),
    });
    const first = await lab.commit(source, { 'a.txt': 'a\n' }, 'Begin again');
    expect(await lab.import(source, 'shop')).toMatchObject({ branch: 'unborn', baseCommit: first });
  });

  test('works with SHA-256, a linked work tree, a detached HEAD and a shallow clone', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    await lab.commit(source, { 'b.txt': 'b\n' }, 'Second');
    await mustGit(source, ['worktree', 'add', '--quiet', '-b', 'side', path.join(lab.root, 'linked')]);
    expect(await lab.import(path.join(lab.root, 'linked'), 'linked')).toMatchObject({ branch: 'side' });
    await mustGit(source, ['checkout', '--quiet', '--detach', 'HEAD~1']);
    expect(await lab.import(source, 'detached')).toMatchObject({
      branch: 'detached-head',
      baseCommit: await mustGit(source, ['rev-parse', 'HEAD']),
    });
    await mustGit(lab.root, ['clone', '--quiet', '--depth=1', '--branch=main', `file://${source}`, 'shallow']);
    const shallow = await lab.import(path.join(lab.root, 'shallow'), 'shallow');
    expect(shallow.notes).toEqual([expect.stringContaining('shallow')]);
    const cloned = await lab.clone(await lab.serve(shallow, 'shallow'), 'shallow');
    await lab.commit(cloned, { 'c.txt': 'c\n' }, 'Third');
    await mustGit(cloned, ['push']);
    expect(await takeAll({ gate: shallow.gate, slug: 'shallow', source: path.join(lab.root, 'shallow') })).toMatchObject({
      changes: { commitCount: 1 },
    });
    const modern = await lab.import(await lab.userRepository('modern', ['--object-format=sha256']), 'modern');
    expect(modern).toMatchObject({ objectFormat: 'sha256' });
    const modernClone = await lab.clone(await lab.serve(modern, 'modern'), 'modern');
    await lab.commit(modernClone, { 'c.txt': 'c\n' }, 'Third');
    await mustGit(modernClone, ['push']);
    expect((await taskChanges(modern.gate, 'modern')).tip).toHaveLength(64);
  });

  test('says what is not in the clone: dirty and untracked files, submodules, Git LFS', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const inner = await lab.userRepository('inner');
    await mustGit(source, ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'inner']);
    await lab.commit(
      source,
      { '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n', 'kept.txt': 'k\n', 'staged.txt': 's\n' },
      'More',
    );
    await writeFile(path.join(source, 'kept.txt'), 'changed\n');
    await writeFile(path.join(source, 'staged.txt'), 'staged\n');
    await mustGit(source, ['add', 'staged.txt']);
    await writeFile(path.join(source, 'new\nline.txt'), 'n\n');
    const now = new Date();
    await utimes(path.join(source, 'README.md'), now, now);
    const { notes } = await lab.import(source, 'shop');
    expect(notes).toEqual([
      'Not in the clone, because not committed: 2 changed files and 1 untracked file.',
      '1 submodule of the repository is empty in the clone.',
      'Files of Git LFS are pointers in the clone; `git lfs pull` there gives those whose contents are on this machine.',
    ]);
  });

  test('runs no program that the configuration of the repository names', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const marker = path.join(lab.root, 'marker');
    const program = path.join(lab.root, 'program.sh');
    await writeFile(program, `#!/bin/sh\necho "$0 $*" >> ${marker}\ncat 2>/dev/null\n`);
    await chmod(program, 0o755);
    await lab.commit(source, { '.gitattributes': '*.txt filter=evil diff=evil\n', 'a.txt': 'a\n' }, 'Add');
    for (const key of [
      'filter.evil.clean',
      'filter.evil.smudge',
      'diff.evil.textconv',
      'diff.external',
      'core.fsmonitor',
      'core.sshCommand',
      'core.alternateRefsCommand',
      'uploadpack.packObjectsHook',
      'core.pager',
      'core.editor',
    ]) {
      await mustGit(source, ['config', key, program]);
    }
    await mustGit(source, ['config', 'core.hooksPath', path.join(lab.root, 'hooks')]);
    await mkdir(path.join(lab.root, 'hooks'));
    for (const hook of ['reference-transaction', 'post-checkout', 'pre-auto-gc', 'post-index-change', 'fsmonitor-watchman', 'post-merge']) {
      await writeFile(path.join(lab.root, 'hooks', hook), `#!/bin/sh\necho ${hook} >> ${marker}\n`);
      await chmod(path.join(lab.root, 'hooks', hook), 0o755);
    }
    await mkdir(path.join(source, '.git/objects/info'), { recursive: true });
    const other = await lab.userRepository('other');
    await writeFile(path.join(source, '.git/objects/info/alternates'), `${other}/.git/objects\n`);
    await writeFile(path.join(source, 'a.txt'), 'b\n');
    // Positive control: what a person types runs the programs
    await gitIn(source, ['status', '--short']);
    expect(await readFile(marker, 'utf8')).toContain('program.sh');
    await mustGit(source, ['update-ref', 'refs/heads/control', 'HEAD']);
    expect(await readFile(marker, 'utf8')).toContain('reference-transaction');
    await rm(marker);

    const imported = await lab.import(source, 'shop');
    expect(imported.notes[0]).toContain('1 changed file');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    await lab.commit(clone, { 'c.txt': 'c\n' }, 'Third');
    await mustGit(clone, ['push']);
    await taskChanges(imported.gate, 'shop');
    await text(await taskDiff(imported.gate, 'shop'));
    await takeAll({ gate: imported.gate, slug: 'shop', source });
    expect((await exists(marker)) ? await readFile(marker, 'utf8') : '').toBe('');
  });
});

describe('taking the work of a task', () => {
  test('shows names that could deceive as codes, and the diff applies', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const imported = await lab.import(source, 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop', [], { rules: TAKES_ALL }), 'shop');
    await lab.commit(
      clone,
      { 'a\nb.txt': 'x\n', 'safe\u202etxt.exe': 'x\n', 'zero\u200bwidth': 'x\n', 'grüße.txt': 'x\n', 'raw.bin': randomBytes(5_000) },
      'Subject \u001b[31mred',
    );
    await mustGit(clone, ['push']);
    const changes = await taskChanges(imported.gate, 'shop');
    expect(changes.files.map((file) => file.path).sort()).toEqual(
      ['a\\u{a}b.txt', 'grüße.txt', 'raw.bin', 'safe\\u{202e}txt.exe', 'zero\\u{200b}width'].sort(),
    );
    expect(changes.commits.map(({ subject }) => subject)).toEqual(['Subject \\u{1b}[31mred']);
    expect(changes.files.find((file) => file.path === 'raw.bin')).toEqual({ path: 'raw.bin', change: 'added' });
    await writeFile(path.join(lab.root, 'patch'), await text(await taskDiff(imported.gate, 'shop')));
    await mustGit(source, ['apply', '--check', path.join(lab.root, 'patch')]);
  });

  test('creates and fast-forwards one branch of the user and nothing else; a branch with other commits is refused', async () => {
    await using lab = await GitLab.create();
    const source = await lab.userRepository();
    const imported = await lab.import(source, 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const first = await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push']);
    const before = await fingerprint(source, /\.git\/(objects|refs\/heads\/terok|logs\/refs\/heads\/terok)/);
    const wish = { gate: imported.gate, slug: 'shop', source };
    expect(await takeAll(wish)).toMatchObject({ kind: 'git', branch: 'terok/shop', mergeCommand: ['git', 'merge', 'terok/shop'] });
    await takeAll(wish);
    expect(await mustGit(source, ['rev-parse', 'terok/shop'])).toBe(first);
    const second = await lab.commit(clone, { 'b.txt': 'b\n' }, 'Add b');
    await mustGit(clone, ['push']);
    await takeAll(wish);
    expect(await mustGit(source, ['rev-parse', 'terok/shop'])).toBe(second);
    expect(await fingerprint(source, /\.git\/(objects|refs\/heads\/terok|logs\/refs\/heads\/terok)/)).toBe(before);
    await mustGit(source, ['update-ref', 'refs/heads/terok/shop', await mustGit(source, ['commit-tree', '-m', 'Mine', 'main^{tree}'])]);
    await expect(takeAll(wish)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  test('saves uncommitted and untracked work, also after an amended commit', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    await lab.commit(clone, { 'a.txt': 'a\n', '.gitignore': 'ignored\n' }, 'Add a');
    await mustGit(clone, ['push']);
    await mustGit(clone, ['commit', '--quiet', '--amend', '--message', 'Better']);
    for (const name of ['untracked.txt', 'ignored', '.git/index.lock']) await writeFile(path.join(clone, name), 'x\n');
    const tip = await looseTip(imported.gate, 'shop');
    const { argv } = salvageCommand({ slug: 'shop', directoryName: path.basename(clone), parent: lab.root, tip });
    expect(await runIn(clone, argv)).toMatchObject({ code: 0 });
    const changes = await taskChanges(imported.gate, 'shop');
    expect(changes.commits.map(({ subject }) => subject)).toEqual(['Save uncommitted work at the end of the task', 'Better']);
    expect(changes.files.map((file) => file.path)).toEqual(['.gitignore', 'a.txt', 'untracked.txt']);
  });

  test('pushes nothing where the gate has it all, and looks at the gate, not at what the clone remembers', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const salvage = async () => {
      const inputs = { slug: 'shop', directoryName: path.basename(clone), parent: lab.root };
      return (await runIn(clone, salvageCommand({ ...inputs, tip: await looseTip(imported.gate, 'shop') }).argv)).code;
    };
    const url = await mustGit(clone, ['remote', 'get-url', 'origin']);
    await mustGit(clone, ['remote', 'set-url', 'origin', '/nonexistent']);
    expect(await salvage()).toBe(0);
    const commit = await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['update-ref', 'refs/remotes/origin/terok/shop', commit]);
    expect(await salvage()).toBe(6);
    await mustGit(clone, ['remote', 'set-url', 'origin', url]);
    expect(await salvage()).toBe(0);
    expect(await looseTip(imported.gate, 'shop')).toBe(commit);
  });

  test('keeps the commits of other branches, of a detached HEAD and of stashes as branches of the task, under safe names', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    const commits: Record<string, string> = {};
    for (const [name, branch] of Object.entries({ 'fix-a': 'fix-a', again: 'fix/a', '---x': 'ä@x', own: 'terok/shop.own' })) {
      await mustGit(clone, ['switch', '--quiet', '-c', branch, 'terok/shop']);
      commits[name] = await lab.commit(clone, { 'a.txt': `${name}\n` }, name);
    }
    await writeFile(path.join(clone, 'a.txt'), 'stashed\n');
    await mustGit(clone, ['stash']);
    commits.stash = await mustGit(clone, ['rev-parse', 'stash@{0}']);
    await mustGit(clone, ['branch', 'merged', 'terok/shop']);
    await mustGit(clone, ['checkout', '--quiet', '--orphan', 'other']);
    commits.other = await lab.commit(clone, { 'b.txt': 'b\n' }, 'Elsewhere');
    await mustGit(clone, ['checkout', '--quiet', '--detach']);
    commits['detached-head'] = await lab.commit(clone, { 'c.txt': 'c\n' }, 'Nowhere');
    const salvage = async () =>
      await runIn(
        clone,
        salvageCommand({ slug: 'shop', directoryName: path.basename(clone), parent: lab.root, tip: await looseTip(imported.gate, 'shop') })
          .argv,
      );
    const first = await salvage();
    expect(first).toMatchObject({ code: 0 });
    const kept = new Map((await listTaskBranches(imported.gate)).map(({ ref, tip }) => [ref.slice('refs/heads/terok/'.length), tip]));
    const expected = Object.entries(commits).map(([name, commit]) =>
      name === 'again' ? [`shop.fix-a-${commit.slice(0, 12)}`, commit] : [`shop.${name}`, commit],
    );
    expect(new Map([['shop', imported.baseCommit], ...(expected as [string, string][])])).toEqual(kept);
    expect(first.stdout.match(/^kept terok\/shop\./gm)).toHaveLength(expected.length);
    // Again: nothing new, and nothing that is refused
    expect(await salvage()).toMatchObject({ code: 0 });
    expect(await listTaskBranches(imported.gate)).toHaveLength(kept.size);
  });

  test('discards with backups that bring every branch back, and forgets it after 30 days', async () => {
    await using lab = await GitLab.create();
    const imported = await lab.import(await lab.userRepository(), 'shop');
    const clone = await lab.clone(await lab.serve(imported, 'shop'), 'shop');
    await lab.commit(clone, { 'a.txt': 'a\n' }, 'Add a');
    await mustGit(clone, ['push']);
    await mustGit(clone, ['push', 'origin', 'HEAD:terok/shop.same', 'HEAD^:refs/heads/terok/shop.more/deep']);
    const before = await listTaskBranches(imported.gate);
    expect(before.map(({ ref, commits }) => [ref, commits])).toEqual([
      ['refs/heads/terok/shop', 1],
      ['refs/heads/terok/shop.more/deep', 0],
      ['refs/heads/terok/shop.same', 1],
    ]);
    const discarded = await discardTask(imported.gate, 'shop');
    expect(await discardTask(imported.gate, 'shop')).toEqual({ restoreCommands: [], keptDays: 30 });
    expect(await listTaskBranches(imported.gate)).toEqual([]);
    await expect(taskChanges(imported.gate, 'shop')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const command of discarded.restoreCommands) await mustGit(lab.root, command.slice(1));
    expect(await listTaskBranches(imported.gate)).toEqual(before);
    await discardTask(imported.gate, 'shop');
    expect(await pruneDiscarded(imported.gate, new Date(Date.now() + 29 * 86_400_000))).toEqual([]);
    expect(await pruneDiscarded(imported.gate, new Date(Date.now() + 31 * 86_400_000))).toEqual(['shop']);
  });
});

describe('a directory without git', () => {
  async function start(lab: GitLab): Promise<{ source: string; gate: string; clone: string }> {
    const source = path.join(lab.root, 'plain');
    await mkdir(path.join(source, 'sub/deep'), { recursive: true });
    for (const [name, content] of [
      ['a.txt', 'a\n'],
      ['sub/deep/b.txt', 'b\n'],
      ['c\n"d.txt', 'c\n'],
      ['run.sh', '#!/bin/sh\n'],
    ] as const)
      await writeFile(path.join(source, name), content);
    await chmod(path.join(source, 'run.sh'), 0o755);
    await symlink('/etc/passwd', path.join(source, 'link'));
    const gate = await ensureGate(lab.dataDir, source);
    expect(await importSource({ gate, source, slug: 'plain' })).toEqual({ kind: 'directory' });
    const imported = await importDirectory({ gate, source, slug: 'plain' });
    expect(imported).toMatchObject({ branch: 'main', notes: ['Not copied: 1 symbolic link(s).'] });
    expect((await importDirectory({ gate, source, slug: 'plain' })).baseCommit).toBe(imported.baseCommit);
    return { source, gate, clone: await lab.clone(await lab.serve(imported, 'plain', [], { rules: TAKES_ALL }), 'plain') };
  }

  test('comes back as changes of its files, twice, without touching the rest', async () => {
    await using lab = await GitLab.create();
    const { source, gate, clone } = await start(lab);
    expect((await readdir(clone)).sort()).toEqual(['.git', 'a.txt', 'c\n"d.txt', 'run.sh', 'sub']);
    await mustGit(clone, ['rm', '--quiet', 'sub/deep/b.txt']);
    await lab.commit(clone, { 'a.txt': 'changed\n', 'new/x/y.txt': 'y\n' }, 'Change');
    await mustGit(clone, ['push']);
    await writeFile(path.join(source, 'mine.txt'), 'mine\n');
    await takeAll({ gate, slug: 'plain', source });
    await takeAll({ gate, slug: 'plain', source });
    expect(await readFile(path.join(source, 'a.txt'), 'utf8')).toBe('changed\n');
    expect(await readFile(path.join(source, 'new/x/y.txt'), 'utf8')).toBe('y\n');
    expect((await readdir(source)).sort()).toEqual(['a.txt', 'c\n"d.txt', 'link', 'mine.txt', 'new', 'run.sh']);
    await lab.commit(clone, { 'a.txt': 'again\n' }, 'Again');
    await mustGit(clone, ['push']);
    await takeAll({ gate, slug: 'plain', source });
    expect(await readFile(path.join(source, 'a.txt'), 'utf8')).toBe('again\n');
  });

  test('killed at each change of it holds every file old or new, and the next apply ends the work', {
    timeout: 200_000,
  }, async (context) => {
    if ((await runIn('/tmp', ['strace', '--version'])).code !== 0) context.skip('strace is not installed');
    await using lab = await GitLab.create();
    const { source, gate, clone } = await start(lab);
    const base = await mustGit(clone, ['rev-parse', 'HEAD']);
    await mustGit(clone, ['rm', '--quiet', 'sub/deep/b.txt']);
    const tip = await lab.commit(clone, { 'a.txt': 'changed\n', 'new/x/y.txt': 'y\n' }, 'Change');
    await mustGit(clone, ['push']);
    await writeFile(path.join(source, 'mine.txt'), 'mine\n');
    const read = async (name: string): Promise<string> => await readFile(path.join(source, name), 'utf8').catch(() => 'absent');
    const stateOf = async (): Promise<string[]> => await Promise.all(['a.txt', 'sub/deep/b.txt', 'new/x/y.txt'].map(read));
    const [before, after] = [
      ['a\n', 'b\n', 'absent'],
      ['changed\n', 'absent', 'y\n'],
    ] as const;
    const seen = new Set<string>();
    let killed = 0;
    // strace counts each system call by itself
    const calls = ['mkdir', 'rename', 'unlink', 'rmdir'];
    for (let at = 1; calls.length > 0; at += 1) {
      await applyTask({ gate, slug: 'plain', source, tip: base });
      expect(await stateOf()).toEqual(before);
      const strace = ['strace', '-f', '-qq', '-o', '/dev/null', `--trace=${calls[0]}`, `--inject=${calls[0]}:signal=SIGKILL:when=${at}`];
      const child = [process.execPath, fileURLToPath(new URL('../support/apply-worker.ts', import.meta.url)), gate, 'plain', source, tip];
      // One thread, so that strace counts every change
      const { code } = await runIn(lab.root, ['env', 'UV_THREADPOOL_SIZE=1', ...strace, ...child]);
      const found = await stateOf();
      for (const [file, content] of found.entries()) expect([before[file], after[file]]).toContain(content);
      seen.add(found.join());
      await applyTask({ gate, slug: 'plain', source, tip });
      expect(await stateOf()).toEqual(after);
      expect((await readdir(source)).sort()).toEqual(['a.txt', 'c\n"d.txt', 'link', 'mine.txt', 'new', 'run.sh']);
      if (code !== 0) killed += 1;
      else {
        calls.shift();
        at = 0;
      }
    }
    expect(killed).toBeGreaterThan(5);
    // States between the old one and the new one were among them
    expect(seen.size).toBeGreaterThan(2);
  });

  test('is left as it is where one file changed on both sides', async () => {
    await using lab = await GitLab.create();
    const { source, gate, clone } = await start(lab);
    await lab.commit(clone, { 'a.txt': 'theirs\n', 'run.sh': '#!/bin/sh\nx\n' }, 'Change');
    await mustGit(clone, ['push']);
    await writeFile(path.join(source, 'a.txt'), 'mine\n');
    await expect(takeAll({ gate, slug: 'plain', source })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('a.txt: it changed'),
    });
    expect(await readFile(path.join(source, 'run.sh'), 'utf8')).toBe('#!/bin/sh\n');
  });

  test('takes no symbolic link and follows none', async () => {
    await using lab = await GitLab.create();
    const { source, gate, clone } = await start(lab);
    await lab.commit(clone, { 'sub/deep/b.txt': 'owned\n' }, 'Change');
    await mustGit(clone, ['push']);
    const outside = path.join(lab.root, 'outside');
    await mkdir(outside);
    await writeFile(path.join(outside, 'b.txt'), 'b\n');
    await rm(path.join(source, 'sub/deep'), { recursive: true });
    await symlink(outside, path.join(source, 'sub/deep'));
    // Positive control: a plain write goes through the link
    await writeFile(path.join(source, 'sub/deep/control'), 'x');
    expect(await exists(path.join(outside, 'control'))).toBe(true);
    await expect(takeAll({ gate, slug: 'plain', source })).rejects.toMatchObject({ code: 'REFUSED' });
    expect(await readFile(path.join(outside, 'b.txt'), 'utf8')).toBe('b\n');
    await symlink('/etc', path.join(clone, 'evil'));
    await lab.commit(clone, {}, 'Link');
    await mustGit(clone, ['push']);
    await expect(takeAll({ gate, slug: 'plain', source })).rejects.toMatchObject({ message: expect.stringContaining('symbolic link') });
  });
});
