/** Two agents push to one branch without pause while a person looks, agrees and takes the work. */
import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openForgeProject } from './forge-project.ts';
import { gitIn, mustGit } from './git-harness.ts';

const ROUNDS = 6;
/** As long as the branch never moved in between */
const MOST_ROUNDS = 60;

test('pushes, approvals, apply and push at once: what was agreed to arrives or nothing does, and nothing is left half done', async () => {
  await using bench = await openForgeProject();
  const { lab, terok, source, imported } = bench;
  const upstream = bench.forge.directory('team/shop');
  const url = await lab.serve(imported, 'shop');
  const clones = [await lab.clone(url, 'shop', 'one'), await lab.clone(url, 'shop', 'two')];
  const pushed = new Set<string>();
  const refusals = new Set<string>();
  let pushing = true;
  const pushers = clones.map(async (clone, agent) => {
    for (let round = 0; pushing; round += 1) {
      const commit = await lab.commit(clone, { [`agent-${agent}.txt`]: `${round}\n` }, `Agent ${agent}, change ${round}`);
      const { code, stderr } = await gitIn(clone, ['push', '--quiet', '--force']);
      if (code === 0) pushed.add(commit);
      else refusals.add(stderr);
    }
  });
  await expect.poll(() => pushed.size, { timeout: 60_000 }).toBeGreaterThan(1);
  const outcomes = { taken: 0, refused: 0 };
  for (let round = 0; round < ROUNDS || (outcomes.refused === 0 && round < MOST_ROUNDS); round += 1) {
    for (const [command, place] of [
      ['apply', source],
      ['push', upstream],
    ] as const) {
      await gitIn(place, ['update-ref', '-d', 'refs/heads/terok/shop']);
      const { digest, new: agreed } = await terok.reviews.open('shop');
      const taken = await terok[command]('shop', { approve: digest }).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'REFUSED' });
          return false;
        },
      );
      outcomes[taken ? 'taken' : 'refused'] += 1;
      const arrived = await gitIn(place, ['rev-parse', '--quiet', '--verify', 'refs/heads/terok/shop']);
      expect(arrived.stdout.trim()).toBe(taken ? agreed : '');
    }
  }
  pushing = false;
  await Promise.all(pushers);
  // Positive control: the branch did move between looking and taking
  expect(outcomes.refused).toBeGreaterThan(0);
  for (const said of refusals) expect(said).toMatch(/cannot lock ref|failed to update ref|reference already exists|stale info/);
  const tip = await mustGit(imported.repository, ['rev-parse', 'refs/heads/terok/shop']);
  expect(pushed).toContain(tip);
  await gitIn(source, ['update-ref', '-d', 'refs/heads/terok/shop']);
  await terok.apply('shop', { approve: (await terok.reviews.open('shop')).digest });
  expect(await mustGit(source, ['rev-parse', 'refs/heads/terok/shop'])).toBe(tip);
  for (const repository of [imported.repository, source, upstream]) await mustGit(repository, ['fsck', '--connectivity-only']);
  expect((await readdir(imported.repository, { recursive: true })).filter((name) => name.endsWith('.lock'))).toEqual([]);
  expect(await terok.egress.verifyAudit({ task: 'shop' })).toMatchObject([{ intact: true }]);
  // No commit is lost: what a force push replaced is kept
  const kept = await mustGit(imported.repository, ['rev-list', '--all']);
  for (const commit of pushed) expect(kept).toContain(commit);
}, 300_000);
