/** Limits of the programs that serve a request of the gate, made small here, so that a push reaches them. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { GateEvent } from '../../src/sidecars/git-gate/index.ts';
import { LIMITS } from '../../src/sidecars/git-gate/limits.ts';
import { commitOf, idOf, packet, packOf, pushPack, storedEntry } from '../support/pack-writer.ts';
import { GitLab, mustGit } from './git-harness.ts';

const REF = 'refs/heads/terok/shop';
const { requestMs } = LIMITS;
const ordinary = { ...LIMITS.process };

afterEach(() => {
  Object.assign(LIMITS, { requestMs });
  Object.assign(LIMITS.process, ordinary);
});

async function openGate() {
  const lab = await GitLab.create();
  const imported = await lab.import(await lab.userRepository(), 'shop');
  const events: GateEvent[] = [];
  return {
    ...imported,
    events,
    url: await lab.serve(imported, 'shop', events),
    tip: async () => (await mustGit(imported.repository, ['for-each-ref', '--format=%(objectname)', REF])).trim(),
    [Symbol.asyncDispose]: async () => await lab[Symbol.asyncDispose](),
  };
}

test('a push that never ends runs under limits, and is ended with all its programs when its time is up', async () => {
  await using gate = await openGate();
  Object.assign(LIMITS, { requestMs: 3_000 });
  const before = await gate.tip();
  const headers = { 'content-type': 'application/x-git-receive-pack-request' };
  const request = http.request(`${gate.url}/git-receive-pack`, { method: 'POST', headers });
  request.on('error', () => undefined);
  request.write(Buffer.from(`${packet(`${before} ${'1'.repeat(40)} ${REF}\0report-status`)}0000PACK\0\0\0\x02\0\0\0\x09`, 'latin1'));
  await expect.poll(() => childrenNamed('unpack-objects', 'index-pack'), { timeout: 2_500 }).toHaveLength(1);
  const [pid] = childrenNamed('unpack-objects', 'index-pack');
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  const { memoryBytes, processorSeconds, fileBytes, openFiles } = ordinary;
  expect(limits).toMatch(new RegExp(`Max data size +${memoryBytes} +${memoryBytes}`));
  expect(limits).toMatch(new RegExp(`Max cpu time +${processorSeconds} +${processorSeconds}`));
  expect(limits).toMatch(new RegExp(`Max file size +${fileBytes} +${fileBytes}`));
  expect(limits).toMatch(new RegExp(`Max open files +${openFiles} +${openFiles}`));
  expect(limits).toMatch(/Max core file size +0 +0/);
  await expect.poll(() => childrenNamed('git'), { timeout: 20_000 }).toEqual([]);
  await expect.poll(() => gate.events.map(({ reason }) => reason)).toContainEqual(expect.stringContaining('longer than 3000 ms'));
  expect(await gate.tip()).toBe(before);
  request.destroy();
});

test('a push above the limit of a file changes nothing, and is taken with more of it', async () => {
  await using gate = await openGate();
  const before = await gate.tip();
  const blob = randomBytes(2 * 1024 ** 2);
  const { tree, commit, tip } = commitOf(before, { 'large.bin': idOf('blob', blob) });
  const push = async (): Promise<string> => {
    const entries = [storedEntry('blob', blob), storedEntry('tree', tree), storedEntry('commit', commit)];
    return await pushPack(gate.url, { old: before, next: tip, ref: REF }, packOf(entries.length, entries)).catch(String);
  };
  Object.assign(LIMITS.process, { fileBytes: 1024 ** 2 });
  expect(await push()).not.toContain(`ok ${REF}`);
  expect(await gate.tip()).toBe(before);
  Object.assign(LIMITS.process, ordinary);
  expect(await push()).toContain(`ok ${REF}`);
  expect(await gate.tip()).toBe(tip);
});

/** Process ids of the descendants of this process whose command line has one of these words. */
function childrenNamed(...words: readonly string[]): number[] {
  const processes = readdirSync('/proc').flatMap((name) => {
    try {
      const parent = Number(/^\d+ \(.*\) \S+ (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]);
      return [{ pid: Number(name), parent, argv: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') }];
    } catch {
      return [];
    }
  });
  const parentOf = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const isOurs = (pid: number | undefined): boolean => pid !== undefined && (pid === process.pid || isOurs(parentOf.get(pid)));
  return processes.filter(({ pid, argv }) => argv.some((word) => words.includes(word)) && isOurs(pid)).map(({ pid }) => pid);
}
