import { randomBytes } from 'node:crypto';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_GATE_RULES, type GateRules } from '../../src/core/index.ts';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

const VALUE = 'correct horse battery/staple+42';
const TOKEN = `ghp_${'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8'}`;

interface Bench extends AsyncDisposable {
  readonly lab: GitLab;
  readonly clone: string;
  readonly repository: string;
  readonly events: GateEvent[];
  push(...args: readonly string[]): ReturnType<typeof gitIn>;
}

/** A clone that pushes to a gate with one value in its vault, and beside it a bare repository without any check. */
async function openBench(
  rules: Partial<GateRules> = {},
  files: Readonly<Record<string, string | Buffer>> = {},
  trap?: { readonly canary: string; readonly onCanary: () => void },
): Promise<Bench> {
  const lab = await GitLab.create();
  const source = await lab.userRepository();
  if (Object.keys(files).length > 0) await lab.commit(source, files, 'Before');
  const imported = await lab.import(source, 'shop');
  const vaultDir = path.join(lab.root, 'vault');
  await new Vault(vaultDir).set('model', new Secret(VALUE));
  const events: GateEvent[] = [];
  const canaryFile = path.join(lab.root, 'canary');
  if (trap !== undefined) await writeFile(canaryFile, trap.canary);
  const trapped = trap === undefined ? {} : { canaryFile, onCanary: trap.onCanary };
  const url = await lab.serve(imported, 'shop', events, { ...trapped, vaultDir, rules: { ...DEFAULT_GATE_RULES, ...rules } });
  const clone = await lab.clone(url, 'shop');
  await mustGit(lab.root, ['init', '--quiet', '--bare', 'control.git']);
  return {
    lab,
    clone,
    repository: imported.repository,
    events,
    push: (...args) => gitIn(clone, ['push', 'origin', ...(args.length === 0 ? ['HEAD:terok/shop'] : args)]),
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

/** Positive control: the same objects are taken where nobody looks. */
async function passesUnchecked({ lab, clone }: Bench, revision = 'HEAD'): Promise<void> {
  expect((await gitIn(clone, ['push', path.join(lab.root, 'control.git'), `+${revision}:refs/heads/x`])).code).toBe(0);
}

async function expectRefused(bench: Bench, words: string | RegExp, ...args: readonly string[]): Promise<string> {
  const before = await mustGit(bench.repository, ['for-each-ref']);
  await passesUnchecked(bench);
  const result = await bench.push(...args);
  expect(result.code, JSON.stringify(bench.events.at(-1))).toBe(1);
  expect(result.stderr, JSON.stringify(bench.events.at(-1))).toContain('remote: terok: nothing of this push was taken.');
  expect(result.stderr).toMatch(words);
  expect(await mustGit(bench.repository, ['for-each-ref'])).toBe(before);
  return result.stderr;
}

test('the canary of the bottle is refused, told once for each push, and never shown; other pushes tell nothing', async () => {
  const canary = 'bkp0123456789abcdef0123456789abcdef';
  let told = 0;
  await using bench = await openBench({}, {}, { canary, onCanary: () => (told += 1) });
  await bench.lab.commit(bench.clone, { 'a.txt': 'clean\n' }, 'Clean');
  expect((await bench.push()).code).toBe(0);
  expect(told).toBe(0);
  await bench.lab.commit(bench.clone, { 'a.txt': Buffer.from(`x${canary}`).toString('base64'), 'b.txt': canary }, 'Add');
  const stderr = await expectRefused(bench, /a\.txt holds a token that nothing in this bottle has a use for/);
  await expect.poll(() => told).toBe(1);
  expect(stderr + JSON.stringify(bench.events)).not.toContain(canary);
});

describe('a value of the vault', () => {
  const encodings: readonly (readonly [string, (value: string) => Buffer | string])[] = [
    ['as it is', (value) => value],
    ['in base64', (value) => Buffer.from(value).toString('base64')],
    ['in base64 behind one byte', (value) => Buffer.from(`x${value}`).toString('base64')],
    ['in base64 behind two bytes', (value) => Buffer.from(`xy${value}z`).toString('base64url')],
    ['in hexadecimal', (value) => Buffer.from(value).toString('hex')],
    ['percent-encoded', (value) => encodeURIComponent(value)],
    ['as UTF-16', (value) => Buffer.from(value, 'utf16le')],
    ['backwards', (value) => Buffer.from([...Buffer.from(value)].reverse())],
    [
      'across the pieces that a large file comes in',
      (value) => Buffer.concat([Buffer.alloc(65_536 * 3 - 7, 'a'), Buffer.from(value), randomBytes(9_000_000)]),
    ],
  ];

  test.each(encodings)('is refused in a file %s, and never shown', async (_name, encode) => {
    await using bench = await openBench();
    await bench.lab.commit(
      bench.clone,
      { 'a.bin': Buffer.concat([Buffer.from('before '), Buffer.from(encode(VALUE)), Buffer.from('\n')]) },
      'Add',
    );
    const stderr = await expectRefused(bench, /a\.bin holds the value of the secret `model`, since commit [0-9a-f]{12}/);
    expect(stderr).not.toContain(VALUE);
    const kept = await readdir(path.join(bench.repository, 'terok/refused'));
    const record = await readFile(path.join(bench.repository, 'terok/refused', kept[0] ?? ''), 'utf8');
    expect(record).toContain('vaultValue');
    expect(record).not.toContain(VALUE);
    expect(JSON.stringify(bench.events)).not.toContain(VALUE);
    await expect.poll(() => bench.events).toContainEqual(expect.objectContaining({ phase: 'scan', decision: 'deny', outcome: 'refused' }));
  });

  test.each([
    'an older commit',
    'a commit message',
    'a note',
    'an annotated tag below a branch',
    'the name of a ref',
    'the name of a file',
  ])('is refused in %s', async (place) => {
    await using bench = await openBench();
    const { lab, clone } = bench;
    const refs: Record<string, string> = {};
    if (place === 'an older commit') {
      await lab.commit(clone, { 'a.txt': VALUE }, 'Add');
      await lab.commit(clone, { 'a.txt': 'clean\n' }, 'Remove');
    } else if (place === 'a commit message') await lab.commit(clone, { 'a.txt': 'a\n' }, VALUE);
    else if (place === 'a note') {
      await mustGit(clone, ['notes', '--ref', 'terok/shop', 'add', '-m', VALUE]);
      refs['refs/notes/terok/shop'] = 'refs/notes/terok/shop';
    } else if (place === 'an annotated tag below a branch') {
      await mustGit(clone, ['tag', '-a', '-m', VALUE, 'v1']);
      refs['refs/tags/v1'] = 'refs/notes/terok/shop.tag';
    } else if (place === 'the name of a ref') refs.HEAD = `refs/heads/terok/shop.${Buffer.from(VALUE).toString('hex')}`;
    else await lab.commit(clone, { [`dir/${encodeURIComponent(VALUE)}.txt`]: 'a\n' }, 'Add');
    await expectRefused(
      bench,
      /the value of the secret `model`/,
      ...Object.entries(refs).map(([from, to]) => `${from}:${to}`),
      ...(Object.keys(refs).length === 0 ? ['HEAD:terok/shop'] : []),
    );
  });

  test('is refused in one of several refs, with which nothing of the push is taken', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'b.txt': 'b\n' }, 'Clean');
    await mustGit(bench.clone, ['branch', 'clean']);
    await bench.lab.commit(bench.clone, { 'a.txt': VALUE }, 'Add');
    await expectRefused(bench, /a\.txt holds/, 'clean:terok/shop', 'HEAD:terok/shop.side');
  });

  test('that was stored after a push was taken is found with the next one', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'a.txt': 'another value of a secret\n' }, 'Add');
    expect((await bench.push()).code).toBe(0);
    await new Vault(path.join(bench.lab.root, 'vault')).set('second', new Secret('another value of a secret'));
    await bench.lab.commit(bench.clone, { 'b.txt': 'b\n' }, 'More');
    await expectRefused(bench, /the value of the secret `second`/);
  });

  test('that cannot be read because its file is open to others refuses every push', async () => {
    await using bench = await openBench();
    await writeFile(path.join(bench.lab.root, 'vault/loose'), 'a value that others can read', { mode: 0o644 });
    await bench.lab.commit(bench.clone, { 'b.txt': 'b\n' }, 'Clean');
    const result = await bench.push();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('the gate could not check this push');
    await expect
      .poll(() => bench.events)
      .toContainEqual(expect.objectContaining({ phase: 'scan', decision: 'deny', reason: expect.stringContaining('`loose`') }));
  });
});

describe('text that looks like a credential', () => {
  test('is refused with file, line and what to do; the amended push is taken', async () => {
    await using bench = await openBench();
    await bench.lab.commit(
      bench.clone,
      { 'src/config.ts': `// one\nconst token = '${TOKEN}'; // secretlint-disable-line gitleaks:allow\n` },
      'Add',
    );
    const stderr = await expectRefused(bench, /src\/config\.ts:2 looks as if it held a credential/);
    expect(stderr).not.toContain(TOKEN);
    expect(stderr).toContain('git commit --amend');
    await writeFile(path.join(bench.clone, 'src/config.ts'), 'const token = process.env.TOKEN;\n');
    await mustGit(bench.clone, ['commit', '--quiet', '--all', '--amend', '--no-edit']);
    expect((await bench.push()).code).toBe(0);
  });

  test('is no matter where it was in the file before, or where the user allowed the path', async () => {
    await using known = await openBench({}, { 'src/config.ts': `const token = '${TOKEN}';\n` });
    await known.lab.commit(known.clone, { 'src/config.ts': `const token = '${TOKEN}';\nmore();\n` }, 'Change');
    expect((await known.push()).code).toBe(0);
    await using allowed = await openBench({ allowedPaths: ['fixtures/**'] });
    await allowed.lab.commit(allowed.clone, { 'fixtures/a/token.txt': TOKEN }, 'Add');
    expect((await allowed.push()).code).toBe(0);
    await allowed.lab.commit(allowed.clone, { 'fixtures/a/value.txt': VALUE }, 'Add the value');
    await expectRefused(allowed, /value of the secret/);
  });
});

describe('hostile content', () => {
  test('of names is refused, and shown as codes', async () => {
    for (const [name, words] of [
      ['a\u202etxt.exe', /a\\u\{202e\}txt\.exe has a name that has a character that turns/],
      ['zero\u200bwidth', /invisible character/],
      ['line\nbreak', /line break/],
      ['bell\u0007', /control character/],
    ] as const) {
      await using bench = await openBench();
      await bench.lab.commit(bench.clone, { [name]: 'x\n' }, 'Add');
      await expectRefused(bench, words);
    }
  });

  test('of a name that is not UTF-8 is refused', async () => {
    await using bench = await openBench();
    await writeFile(Buffer.concat([Buffer.from(`${bench.clone}/caf`), Buffer.from([0xe9])]), 'x\n');
    await bench.lab.commit(bench.clone, {}, 'Add');
    await expectRefused(bench, /has a name that is not UTF-8/);
  });

  test.each([
    ['README.MD', 'case'],
    ['re\u0301sume\u0301', 'composition', 'r\u00e9sum\u00e9'],
  ])('of names that collide is refused: %s by %s', async (name, _how, other = 'README.md') => {
    await using bench = await openBench({}, { [other]: 'x\n' });
    await bench.lab.commit(bench.clone, { [name]: 'y\n' }, 'Add');
    await expectRefused(bench, /is the same as that of/);
  });

  test.each([
    ['/etc/passwd', /absolute path/],
    ['../../outside', /leaves the repository/],
    ['sub/../../x', /behind another name/],
    ['../.git/hooks', /into `\.git`/],
  ])('of a symbolic link to %s is refused', async (target, words) => {
    await using bench = await openBench({}, { 'sub/file': 'x\n' });
    await symlink(target, path.join(bench.clone, 'sub/link'));
    await bench.lab.commit(bench.clone, {}, 'Link');
    await expectRefused(bench, words);
  });

  test('of a link that is moved with its directory to where it leaves the tree is refused', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'a/b/c/file': 'x\n' }, 'Deep');
    await symlink('../../../README.md', path.join(bench.clone, 'a/b/c/link'));
    await bench.lab.commit(bench.clone, {}, 'A link within the tree');
    expect((await bench.push()).code).toBe(0);
    await mustGit(bench.clone, ['mv', 'a/b/c', 'c']);
    await bench.lab.commit(bench.clone, {}, 'Move');
    await expectRefused(bench, /c\/link is a symbolic link that leaves the repository/);
  });

  test('of a bare repository, of `.gitmodules` and of a nested clone is refused', async () => {
    await using bare = await openBench();
    await mustGit(bare.clone, ['init', '--quiet', '--bare', 'vendor/x']);
    await bare.lab.commit(bare.clone, { 'vendor/x/objects/keep': '', 'vendor/x/refs/keep': '' }, 'Bare');
    await expectRefused(bare, /vendor\/x is a bare git repository/);

    await using modules = await openBench();
    await modules.lab.commit(modules.clone, { '.gitmodules': '[submodule "a"]\n\tpath = a\n\turl = https://example.com/a\n' }, 'Modules');
    await expectRefused(modules, /\.gitmodules says which other repositories git fetches/);

    await using nested = await openBench();
    const inner = path.join(nested.clone, 'inner');
    await mustGit(nested.clone, ['init', '--quiet', 'inner']);
    await nested.lab.commit(inner, { 'a.txt': 'a\n' }, 'Inner');
    await nested.lab.commit(nested.clone, {}, 'Nested');
    await expectRefused(nested, /inner is a commit of another repository/);
  });

  test('that was in the repository before does not stand in the way of the next commit', async () => {
    await using bench = await openBench(
      {},
      { 'a\u202eb': 'x\n', Same: '1\n', same: '2\n', 'v/HEAD': 'x\n', 'v/objects/k': '', 'v/refs/k': '' },
    );
    await bench.lab.commit(bench.clone, { 'c.txt': 'c\n', 'v/new': 'x\n' }, 'Add beside it');
    expect(await bench.push()).toMatchObject({ code: 0 });
  });

  test('above the largest size is refused', async () => {
    await using bench = await openBench({ maxFileBytes: 1_000_000 });
    await bench.lab.commit(bench.clone, { 'big.bin': randomBytes(3_000_000) }, 'Big');
    await expectRefused(bench, /big\.bin has 2\.9 MiB; a file has at most 976\.6 KiB/);
  });
});

describe('a native program', () => {
  const program = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), randomBytes(4_000)]);

  test('is taken and held, and stays held whatever is pushed on top, under it or beside it', async () => {
    await using bench = await openBench();
    await bench.lab.commit(bench.clone, { 'bin/tool': program }, 'Add a program');
    const first = await bench.push();
    expect(first.code).toBe(0);
    expect(first.stderr).toContain('waits for a person to look at');
    const verdict = async (): Promise<unknown> => {
      const tip = await mustGit(bench.clone, ['rev-parse', 'HEAD']);
      return (JSON.parse(await readFile(path.join(bench.repository, `terok/verdicts/${tip}.json`), 'utf8')) as { outcome: unknown })
        .outcome;
    };
    expect(await verdict()).toBe('held');
    const held = await mustGit(bench.clone, ['rev-parse', 'HEAD']);
    await bench.lab.commit(bench.clone, { 'a.txt': 'a\n' }, 'On top');
    await bench.push();
    expect(await verdict()).toBe('held');
    await mustGit(bench.clone, ['reset', '--quiet', '--hard', 'origin/main']);
    await bench.lab.commit(bench.clone, { 'b.txt': 'b\n' }, 'Without it');
    expect((await bench.push('+HEAD:terok/shop')).code).toBe(0);
    expect(await verdict()).toBe('clean');
    await mustGit(bench.clone, ['merge', '--quiet', '--no-edit', held]);
    expect((await bench.push()).code).toBe(0);
    expect(await verdict()).toBe('held');
  });
});
