import { generateKeyPairSync } from 'node:crypto';
import { chmod, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openAuditLog } from '../../src/core/index.ts';
import { ensureSigningKey, type Statement, verifyProvenance, writeProvenance } from '../../src/projects/git/index.ts';
import { openForgeProject } from './forge-project.ts';
import { GitLab, gitIn, mustGit } from './git-harness.ts';

const NOTES = 'refs/notes/terok-provenance';

async function statementOf(source: string): Promise<Statement> {
  const [commit = '', tree = ''] = (await mustGit(source, ['rev-parse', 'HEAD', 'HEAD^{tree}'])).split('\n');
  return {
    version: 1,
    commit,
    tree,
    task: 'shop',
    agent: 'claude',
    image: 'terok/agents:1',
    policy: 'ab12',
    review: 'cd34',
    egress: { routes: 1, hosts: ['api.example.test'] },
    approver: { user: 'ada', uid: 1000, host: 'desk' },
    approvedAt: '2026-01-01T00:00:00.000Z',
  };
}

test('a statement is checked with the key of the user alone, for its own commit alone', async () => {
  await using lab = await GitLab.create();
  const source = await lab.userRepository();
  const key = await ensureSigningKey(lab.dataDir);
  expect((await stat(path.join(lab.dataDir, 'provenance/key.pem'))).mode & 0o777).toBe(0o600);
  await expect(verifyProvenance(source, 'HEAD', key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const statement = await statementOf(source);
  await writeProvenance(source, [statement], key);
  expect(await verifyProvenance(source, 'HEAD', await ensureSigningKey(lab.dataDir))).toEqual(statement);
  const note = await mustGit(source, ['notes', `--ref=${NOTES}`, 'show', 'HEAD']);
  const noteOn = async (text: string, commit = 'HEAD'): Promise<unknown> => {
    await mustGit(source, ['notes', `--ref=${NOTES}`, 'add', '-f', '-m', text, commit]);
    return await verifyProvenance(source, commit, key).catch((error: unknown) => error);
  };
  expect(await noteOn(note.replace('"ada"', '"eve"'))).toMatchObject({ code: 'REFUSED', message: expect.stringContaining('signature') });
  expect(await noteOn('{}')).toMatchObject({ code: 'REFUSED', message: expect.stringContaining('no statement') });
  await lab.commit(source, { 'b.txt': 'b\n' }, 'Next');
  expect(await noteOn(note)).toMatchObject({ code: 'REFUSED', message: expect.stringContaining('another commit') });
  const other = generateKeyPairSync('ed25519').privateKey;
  await writeProvenance(source, [await statementOf(source)], other);
  await expect(verifyProvenance(source, 'HEAD', key)).rejects.toMatchObject({ message: expect.stringContaining('another key') });
});

test('a signing key that others can read is not used', async () => {
  await using lab = await GitLab.create();
  await ensureSigningKey(lab.dataDir);
  await chmod(path.join(lab.dataDir, 'provenance/key.pem'), 0o644);
  await expect(ensureSigningKey(lab.dataDir)).rejects.toMatchObject({ code: 'REFUSED' });
});

test('each commit that is taken carries a statement, and those about other commits stay', async () => {
  await using bench = await openForgeProject();
  const { lab, terok, source, imported, vaultDir, paths } = bench;
  const other = await statementOf(source);
  await writeProvenance(source, [other], await ensureSigningKey(paths.data));
  const clone = await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir }), 'shop');
  const work = async (names: readonly string[]): Promise<readonly string[]> => {
    const commits: string[] = [];
    for (const name of names) commits.push(await lab.commit(clone, { [name]: `${name}\n` }, `Add ${name}`));
    await mustGit(clone, ['push', '--quiet']);
    const { digest } = await terok.reviews.open('shop');
    await terok.apply('shop', { approve: digest, provenance: true });
    return commits;
  };
  const log = openAuditLog(path.join(paths.state, 'bottles/shop/audit.jsonl'));
  for (const decision of ['allow', 'allow', 'deny'] as const)
    log.record({ kind: 'request', decision, host: 'api.example.test', route: 'api' });
  log.record({ kind: 'request', decision: 'deny', host: 'evil.test', reason: 'host-not-allowed' });
  log.close();
  const decisions = { allowed: 2, denied: 2, byRoute: [{ route: 'api', allowed: 2, denied: 1 }] };
  const first = await work(['b.txt', 'c.txt', 'd.txt']);
  const second = await work(['e.txt']);
  for (const commit of [...first, ...second]) {
    const statement = await terok.verifyProvenance(source, commit);
    expect(statement).toMatchObject({ commit, task: 'shop', approved: second[0], egress: { decisions } });
  }
  expect(await terok.verifyProvenance(source, imported.baseCommit)).toEqual(other);
  await mustGit(source, ['fsck', '--strict']);
});

test('statements are pushed beside the notes that the upstream has; where it takes none, the work is there all the same', async () => {
  await using bench = await openForgeProject();
  const { lab, terok, forge, source, imported, vaultDir, gate } = bench;
  const theirs = forge.directory('team/shop');
  await mustGit(theirs, ['notes', `--ref=${NOTES}`, 'add', '-m', 'theirs', imported.baseCommit]);
  const clone = await lab.clone(await lab.serve(imported, 'shop', [], { vaultDir }), 'shop');
  const push = async (name: string): Promise<{ commit: string; provenanceProblem?: string }> => {
    await lab.commit(clone, { [name]: `${name}\n` }, `Add ${name}`);
    await mustGit(clone, ['push', '--quiet']);
    return await terok.push('shop', { approve: (await terok.reviews.open('shop')).digest, provenance: true });
  };
  const first = await push('b.txt');
  expect(first.provenanceProblem).toBeUndefined();
  const second = await push('c.txt');
  await mustGit(source, ['fetch', '--quiet', theirs, 'refs/heads/terok/shop:refs/heads/got', `${NOTES}:${NOTES}`]);
  for (const { commit } of [first, second]) expect(await terok.verifyProvenance(source, commit)).toMatchObject({ commit, task: 'shop' });
  expect(await mustGit(source, ['notes', `--ref=${NOTES}`, 'show', imported.baseCommit])).toBe('theirs');
  // The repository that the bottle is given has none of it, and no other one is left over
  const notes = await mustGit(theirs, ['rev-parse', NOTES, `${NOTES}^{tree}`]);
  for (const id of notes.split('\n')) expect((await gitIn(imported.repository, ['cat-file', '-e', id])).code).not.toBe(0);
  expect((await readdir(gate)).filter((name) => name.startsWith('.'))).toEqual([]);

  await forge.setHook('team/shop', 'update', '#!/bin/sh\ncase "$1" in refs/notes/*) exit 1;; esac\n');
  const third = await push('d.txt');
  expect(third.provenanceProblem).toContain('127.0.0.1');
  expect(await mustGit(theirs, ['rev-parse', 'refs/heads/terok/shop'])).toBe(third.commit);
});
