/** Pushes above the caps of the gate, in packs that no git makes; each beside one below the cap, which is taken. */
import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { DEFAULT_GATE_RULES } from '../../src/core/index.ts';
import { ObjectScan } from '../../src/sidecars/git-gate/scan/object-scan.ts';
import { SCAN_LIMITS } from '../../src/sidecars/git-gate/scan/scan-limits.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { commitOf, deltaEntry, idOf, type PackEntry, packOf, pushPack, storedEntry } from '../support/pack-writer.ts';
import { GitLab, mustGit } from './git-harness.ts';

const NONE = '0'.repeat(40);
const ref = (name: string): string => `refs/heads/terok/shop.${name}`;

async function openGate() {
  const lab = await GitLab.create();
  const imported = await lab.import(await lab.userRepository(), 'shop');
  return {
    ...imported,
    url: await lab.serve(imported, 'shop'),
    refs: async () => (await mustGit(imported.repository, ['for-each-ref', '--format=%(refname)', 'refs/heads/terok/'])).split('\n'),
    [Symbol.asyncDispose]: async () => await lab[Symbol.asyncDispose](),
  };
}

test('a chain of deltas longer than the cap is refused, one of an eighth of it is taken', async () => {
  await using gate = await openGate();
  for (const depth of [SCAN_LIMITS.deltaDepth / 8, SCAN_LIMITS.deltaDepth + 1]) {
    const answer = await pushPack(...chainOf(gate, depth));
    if (depth < SCAN_LIMITS.deltaDepth) expect(answer).toContain(`ok ${ref(`chain-${depth}`)}`);
    else expect(answer).toContain(`a chain of ${depth} deltas, which is above the limit of the gate`);
  }
  expect(await gate.refs()).toEqual(['refs/heads/terok/shop', ref(`chain-${SCAN_LIMITS.deltaDepth / 8}`)]);
});

/** A blob, `depth` blobs that each are made of the one before, and a commit with all of them. */
function chainOf(gate: { readonly url: string; readonly baseCommit: string }, depth: number): Parameters<typeof pushPack> {
  const base = Buffer.from('a line\n');
  const blobs: Record<string, string> = { 'a.txt': idOf('blob', base) };
  const entries: PackEntry[] = [storedEntry('blob', base)];
  for (let at = 0; at < depth; at += 1) {
    const content = Buffer.from(`${at}\n`.padStart(base.length));
    blobs[`${at}.txt`] = idOf('blob', content);
    const before = [...(entries.at(-1)?.bytes ?? [])].reduce((sum, part) => sum + part.length, 0);
    // Size of the base, size of what is made, one instruction: insert so many bytes
    const delta = Buffer.concat([Buffer.from([base.length, content.length, content.length]), content]);
    entries.push({ bytes: [...deltaEntry(before, delta).bytes] });
  }
  const { tree, commit, tip } = commitOf(gate.baseCommit, blobs);
  entries[0] = { bytes: [...storedEntry('blob', base).bytes] };
  entries.push(storedEntry('tree', tree), storedEntry('commit', commit));
  return [gate.url, { old: NONE, next: tip, ref: ref(`chain-${depth}`) }, packOf(entries.length, entries)];
}

test('a million objects in a pack of 15 MB are refused with the number', { timeout: 240_000 }, async () => {
  await using gate = await openGate();
  const count = SCAN_LIMITS.objects + 1;
  const blob = (at: number): Buffer => Buffer.from([at >> 24, at >> 16, at >> 8, at]);
  const { tree, commit, tip } = commitOf(gate.baseCommit, { 'a.txt': idOf('blob', blob(0)) });
  function* entries(): Generator<PackEntry> {
    for (let at = 0; at < count - 2; at += 1) yield storedEntry('blob', blob(at));
    yield storedEntry('tree', tree);
    yield storedEntry('commit', commit);
  }
  expect(await pushPack(gate.url, { old: NONE, next: tip, ref: ref('many') }, packOf(count, entries()))).toContain(
    `the push brings ${count} objects, which is above the limit of the gate`,
  );
  expect(await gate.refs()).toEqual(['refs/heads/terok/shop']);
});

test('more uncompressed bytes than the cap end the scan before they are read', () => {
  const scan = new ObjectScan(
    { rules: DEFAULT_GATE_RULES, needles: [], patterns: { name: 'none', scan: async () => [] } },
    () => undefined,
  );
  const size = SCAN_LIMITS.bytes / 8;
  const blob = { id: '1'.repeat(40), type: 'blob', size, path: 'zeros' } as const;
  for (let at = 0; at < 8; at += 1) expect(scan.wants(blob)).toBe(false);
  expect(() => scan.wants({ ...blob, size: 1 })).toThrow('more than 8 GiB of uncompressed content, which is above the limit of the gate');
});

const free = statfsSync(tmpdir());
const ROOM = 4 * 1024 ** 3;

describeUnless(free.bavail * free.bsize > ROOM ? undefined : `${tmpdir()} has less than 4 GiB`, 'a pack of 1 GiB on the wire', () => {
  test('is taken, scanned to its end, and held nowhere in memory', { timeout: 300_000 }, async () => {
    await using gate = await openGate();
    // Content that does not compress; each file below the largest size of one
    const size = 32 * 1024 ** 2;
    const content = randomBytes(size);
    const files = Array.from({ length: 32 }, (_value, at) => [`part-${at}.bin`, at] as const);
    const numbered = (at: number): Buffer => Buffer.concat([Buffer.from([at]), content.subarray(1)]);
    const { tree, commit, tip } = commitOf(
      gate.baseCommit,
      Object.fromEntries(files.map(([name, at]) => [name, idOf('blob', numbered(at))])),
    );
    function* entries(): Generator<PackEntry> {
      for (const [, at] of files) yield storedEntry('blob', numbered(at));
      yield storedEntry('tree', tree);
      yield storedEntry('commit', commit);
    }
    let peak = 0;
    const before = process.memoryUsage().rss;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const answer = await pushPack(gate.url, { old: NONE, next: tip, ref: ref('large') }, packOf(files.length + 2, entries()));
    clearInterval(watch);
    expect(answer).toContain(`ok ${ref('large')}`);
    expect(await mustGit(gate.repository, ['rev-parse', ref('large')])).toBe(tip);
    // Gate and pusher are in this process, which keeps one file twice
    expect(peak - before).toBeLessThan(512 * 1024 ** 2);
  });
});
