/** terok is killed at each call of git that an `apply` or a `push` of approved work makes, and the answer to a push is lost. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { listDecisions } from '../../src/projects/git/index.ts';
import { createTerok } from '../../src/tasks/index.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';
import { endOf, killingPath, MOST_CALLS, wasReached } from './killing-git.ts';

const CLI = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));

interface Bench extends ForgeProject {
  readonly clone: string;
}

async function openBench(): Promise<Bench> {
  const bench = await openForgeProject();
  return { ...bench, clone: await bench.lab.clone(await bench.lab.serve(bench.imported, 'shop'), 'shop') };
}

/** Commits one upon the other, of which the gate has all objects; the branch of the task is where it began. */
async function pushedCommits({ clone }: Bench): Promise<readonly string[]> {
  const commits: string[] = [];
  for (let at = 0; at < MOST_CALLS; at += 1)
    commits.push(await mustGit(clone, ['commit-tree', '-m', `Add ${at}`, '-p', commits.at(-1) ?? 'HEAD', 'HEAD^{tree}']));
  await mustGit(clone, ['push', '--quiet', 'origin', `${commits.at(-1)}:refs/heads/terok/shop`]);
  return commits;
}

/** A commit of the agent that waits in the gate with an approval. */
async function approvedCommit({ lab, clone, terok }: Bench, name: string): Promise<string> {
  const commit = await lab.commit(clone, { [`${name}.txt`]: name }, `Add ${name}`);
  await mustGit(clone, ['push', '--quiet']);
  await terok.reviews.approve('shop', (await terok.reviews.open('shop')).digest);
  return commit;
}

async function useOf({ gate }: ForgeProject): Promise<string> {
  const last = (await listDecisions(gate, 'shop')).at(-1);
  return (last?.kind === 'approval' ? last.use?.state : undefined) ?? 'open';
}

/** Whether a commit carries a statement that holds where it was taken; one that lacks it does not. */
async function isStated({ env, source }: Bench, commit: string, place: string): Promise<boolean> {
  const NOTES = 'refs/notes/terok-provenance';
  if (place !== source && (await gitIn(source, ['fetch', '--quiet', place, commit, `+${NOTES}:${NOTES}`])).code !== 0) return false;
  return (
    (
      await createTerok({ env })
        .verifyProvenance(source, commit)
        .catch(() => undefined)
    )?.commit === commit
  );
}

const decisionsOf = async ({ gate }: Bench): Promise<string> => await readFile(path.join(gate, 'decisions/shop.json'), 'utf8');

const tipOf = async (repository: string): Promise<string> =>
  (await gitIn(repository, ['rev-parse', '--verify', '--quiet', 'refs/heads/terok/shop'])).stdout.trim();

describe.each([
  ['apply', 'before', ['open, absent', 'begun, absent']],
  ['apply', 'after', ['open, absent', 'begun, there']],
  ['push', 'before', ['open, absent', 'begun, absent']],
  ['push', 'after', ['open, absent', 'begun, there']],
] as const)('%s killed with SIGKILL %s each call of git', (command, when, expected) => {
  test('leaves an approval that is used where the work arrived, and open where it did not', async () => {
    await using bench = await openBench();
    const { terok } = bench;
    const place = command === 'apply' ? bench.source : bench.forge.directory('team/shop');
    const commits = await pushedCommits(bench);
    const seen = new Set<string>();
    let commit = '';
    let decided = '';
    for (let at = 1, isOver = false; !isOver; at += 1) {
      expect(at).toBeLessThan(MOST_CALLS);
      if (decided === '') {
        commit = commits[at - 1] ?? '';
        await mustGit(bench.imported.repository, ['update-ref', bench.imported.writableRef, commit]);
        await terok.reviews.approve('shop', (await terok.reviews.open('shop')).digest);
        decided = await decisionsOf(bench);
      }
      const PATH = await killingPath(bench.lab.root, at, when);
      const outcome = await endOf(spawn(process.execPath, [CLI, command, 'shop', '--provenance'], { env: { ...bench.env, PATH } }));
      isOver = !(await wasReached(bench.lab.root, at, when));
      const arrived = (await tipOf(place)) === commit;
      if (outcome === 'killed') seen.add(`${await useOf(bench)}, ${arrived ? 'there' : 'absent'}`);
      // Where nothing was written nor moved there is nothing to settle: the next kill finds the same approval
      if (!isOver && !arrived && (await decisionsOf(bench)) === decided) continue;
      decided = '';
      // Another git of the killed process may still run
      const settled = async (): Promise<unknown> => {
        const { approval } = await terok.reviews.open('shop');
        return { at, isOpen: approval !== undefined, use: await useOf(bench) };
      };
      await expect.poll(settled, { timeout: 10_000 }).toEqual({ at, isOpen: !arrived, use: arrived ? 'done' : 'open' });
      if (arrived) expect(await isStated(bench, commit, place)).toBe(true);
      // Of an approval that is open again there is one use, and of the others none
      if (!arrived) await terok[command]('shop');
      await expect(terok[command]('shop')).rejects.toMatchObject({ code: 'REFUSED', message: expect.stringContaining('was used at') });
      expect(await tipOf(place)).toBe(commit);
    }
    expect([...seen]).toEqual(expect.arrayContaining([...expected]));
  }, 300_000);
});

test('an approval that a killed process began to use stays away while its git runs, and is open afterwards', async () => {
  await using bench = await openBench();
  await approvedCommit(bench, 'a');
  const dir = path.join(bench.lab.root, 'bin');
  const git = `${await mustGit(bench.lab.root, ['--exec-path'])}/git`;
  await mkdir(dir);
  await writeFile(
    path.join(dir, 'git'),
    `#!/bin/sh\ncase "$*" in *fetch*) echo $$ > '${dir}/pid'; kill -9 "$PPID"; exec sleep 300;; esac\nexec '${git}' "$@"\n`,
  );
  await chmod(path.join(dir, 'git'), 0o755);
  const env = { ...bench.env, PATH: `${dir}:${bench.env.PATH ?? ''}` };
  expect(await endOf(spawn(process.execPath, [CLI, 'apply', 'shop'], { env }))).toBe('killed');
  const sleeper = Number(await readFile(path.join(dir, 'pid'), 'utf8'));
  try {
    expect((await bench.terok.reviews.open('shop')).approval).toBeUndefined();
    await expect(bench.terok.apply('shop')).rejects.toMatchObject({ message: expect.stringContaining('not known yet') });
  } finally {
    process.kill(sleeper, 'SIGKILL');
  }
  await expect.poll(async () => (await bench.terok.reviews.open('shop')).approval, { timeout: 10_000 }).toBeDefined();
  await bench.terok.apply('shop');
});

describe('a push whose answer is lost after the branch moved', () => {
  test('is done, and its approval is used', async () => {
    await using bench = await openBench();
    const commit = await approvedCommit(bench, 'a');
    await bench.forge.setHook('team/shop', 'post-receive', '#!/bin/sh\nkill -9 "$PPID"\n');
    expect(await bench.terok.push('shop')).toMatchObject({ commit, branch: 'terok/shop' });
    await expect(bench.terok.push('shop')).rejects.toMatchObject({ message: expect.stringContaining('was used at') });
  });

  test('is settled later where the upstream cannot be asked at once', async () => {
    await using bench = await openBench();
    const commit = await approvedCommit(bench, 'a');
    const upstream = bench.forge.directory('team/shop');
    await bench.forge.setHook('team/shop', 'post-receive', `#!/bin/sh\nmv '${upstream}' '${upstream}.away'\nkill -9 "$PPID"\n`);
    await expect(bench.terok.push('shop')).rejects.toMatchObject({ message: expect.stringContaining('is not known') });
    await expect(bench.terok.push('shop', { branch: 'other' })).rejects.toMatchObject({
      message: expect.stringContaining('not known yet'),
    });
    await rename(`${upstream}.away`, upstream);
    expect(await tipOf(upstream)).toBe(commit);
    expect((await bench.terok.reviews.open('shop')).approval).toBeUndefined();
    expect(await useOf(bench)).toBe('done');
  });

  test('that did not move it is open again, but not where the work was rejected meanwhile', async () => {
    await using bench = await openBench();
    const upstream = bench.forge.directory('team/shop');
    await bench.forge.setHook('team/shop', 'pre-receive', `#!/bin/sh\nmv '${upstream}' '${upstream}.away'\nkill -9 "$PPID"\n`);
    for (const isRejected of [false, true]) {
      await approvedCommit(bench, `${isRejected}`);
      await expect(bench.terok.push('shop')).rejects.toMatchObject({ message: expect.stringContaining('is not known') });
      if (isRejected) await bench.terok.reviews.reject('shop', 'No');
      await rename(`${upstream}.away`, upstream);
      expect((await bench.terok.reviews.open('shop')).approval !== undefined).toBe(!isRejected);
    }
    await expect(bench.terok.push('shop')).rejects.toMatchObject({ message: expect.stringContaining('nobody approved it') });
  });
});
