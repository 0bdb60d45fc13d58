import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyAuditLog } from '../../src/core/index.ts';
import { decisionLog, listDecisions } from '../../src/projects/git/index.ts';
import { createContext } from '../../src/tasks/context.ts';
import { forwardPush } from '../../src/tasks/forward-push.ts';
import { type ForgeProject, openForgeProject } from './forge-project.ts';
import { mustGit } from './git-harness.ts';

interface Bench extends ForgeProject {
  readonly log: string;
  readonly push: (name: string) => Promise<string>;
  readonly approve: () => Promise<void>;
}

async function openBench(settings = ''): Promise<Bench> {
  const bench = await openForgeProject({ settings });
  const { lab, terok } = bench;
  const clone = await lab.clone(await lab.serve(bench.imported, 'shop'), 'shop');
  return {
    ...bench,
    log: decisionLog(bench.gate, 'shop'),
    push: async (name) => {
      const commit = await lab.commit(clone, { [`${name}.txt`]: name }, `Add ${name}`);
      await mustGit(clone, ['push', '--quiet']);
      return commit;
    },
    approve: async () => void (await terok.reviews.approve('shop', (await terok.reviews.open('shop')).digest)),
  };
}

const linesOf = async (log: string): Promise<string[]> => (await readFile(log, 'utf8')).trimEnd().split('\n');
const verify = async ({ terok }: Bench): Promise<unknown> => await terok.egress.verifyAudit({ task: 'shop' });

test('every decision about a task, and what became of it, is in a chain that verifies', async () => {
  await using bench = await openBench();
  const { terok, log } = bench;
  expect(await verify(bench)).toEqual([]);
  const first = await bench.push('a');
  await bench.approve();
  await terok.apply('shop');
  await bench.approve();
  await terok.push('shop');
  const second = await bench.push('b');
  await terok.reviews.reject('shop', 'Not this');
  const entries = (await linesOf(log)).map((line) => JSON.parse(line) as Record<string, unknown>);
  const ref = 'refs/heads/terok/shop';
  expect(entries).toMatchObject([
    { kind: 'approve', decision: 'allow', ref, commit: first },
    { kind: 'apply', outcome: 'begun', target: bench.source, ref, commit: first, approval: entries[0]?.['id'] },
    { kind: 'apply', outcome: 'arrived', target: bench.source, commit: first },
    { kind: 'approve', commit: first },
    { kind: 'push', outcome: 'begun', target: bench.forge.remote('team/shop'), ref },
    { kind: 'push', outcome: 'arrived', commit: first },
    { kind: 'reject', decision: 'deny', commit: second, message: 'Not this' },
  ]);
  expect(await verify(bench)).toMatchObject([{ of: 'decisions about shop', file: log, intact: true, lines: 7 }]);
  expect(await terok.egress.verifyAudit({ file: log })).toMatchObject([{ intact: true }]);
  // Also where the task itself is gone
  await rm(path.join(bench.paths.state, 'bottles/shop'), { recursive: true });
  expect(await terok.egress.verifyAudit(undefined)).toMatchObject([{ of: 'decisions about shop', file: log, intact: true, lines: 7 }]);
});

test('what went on by itself is in the chain as well', async () => {
  await using bench = await openBench('git:\n  class: online\n  forward: ["terok/*"]\n');
  const commit = await bench.push('a');
  const line = `${'0'.repeat(40)} ${commit} refs/heads/terok/shop\n`;
  const context = createContext(bench.env);
  const [said] = await forwardPush(context, 'shop', line);
  expect(said).toContain('was forwarded');
  const entries = (await linesOf(bench.log)).map((text) => JSON.parse(text) as unknown);
  expect(entries).toMatchObject([
    { kind: 'forward', outcome: 'begun', commit },
    { kind: 'forward', decision: 'allow', outcome: 'forwarded', commit },
  ]);
});

/** Kept as terok wrote it when the use of an approval was a time and a text. */
const EARLIER_DECISIONS = `{
  "version": 1,
  "entries": [
    {
      "kind": "approval",
      "id": "8c3f9e5d10ab",
      "by": { "user": "dev", "uid": 1000, "host": "desk" },
      "at": "2026-11-20T10:00:00.000Z",
      "ref": "refs/heads/terok/shop",
      "old": "1111111111111111111111111111111111111111",
      "new": "2222222222222222222222222222222222222222",
      "tree": "3333333333333333333333333333333333333333",
      "policy": "4444",
      "review": "5555",
      "expiresAt": "2026-11-21T10:00:00.000Z",
      "shown": { "commits": 1, "files": 1, "findings": 0, "hidden": 0 },
      "use": { "at": "2026-11-20T10:01:00.000Z", "target": "git.example.com terok/shop" }
    }
  ]
}
`;

test('decisions from before uses were written ahead are read, as used, and others are added to them', async () => {
  await using bench = await openBench();
  const file = bench.log.slice(0, -1);
  await bench.push('a');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, EARLIER_DECISIONS);
  await expect(bench.terok.apply('shop')).rejects.toMatchObject({
    code: 'REFUSED',
    message: expect.stringContaining('was used at 2026-11-20T10:01:00.000Z for git.example.com terok/shop'),
  });
  await bench.approve();
  await bench.terok.apply('shop');
  expect(await listDecisions(bench.gate, 'shop')).toMatchObject([
    { id: '8c3f9e5d10ab', use: { state: 'done' } },
    { use: { state: 'done' } },
  ]);
});

describe('a log of decisions', () => {
  test.each([
    ['with a changed line', (lines: string[]) => lines.map((line, at) => (at === 1 ? line.replace('begun', 'never') : line)), 3],
    ['with a removed line', (lines: string[]) => lines.toSpliced(1, 1), 2],
    ['with a truncated tail', (lines: string[]) => lines.slice(0, -1), 3],
    ['of which nothing is left', () => [], 1],
  ] as const)('%s does not verify, and nothing more is decided', async (_what, change, line) => {
    await using bench = await openBench();
    await bench.push('a');
    await bench.approve();
    await bench.terok.apply('shop');
    const changed = change(await linesOf(bench.log));
    if (changed.length === 0) await rm(bench.log);
    else await writeFile(bench.log, `${changed.join('\n')}\n`);
    // Positive control: a chain alone does not tell that its end was cut off
    expect(verifyAuditLog(bench.log).intact).toBe(line > changed.length);
    expect(await verify(bench)).toMatchObject([{ intact: false, line }]);
    expect(await bench.terok.egress.verifyAudit({ file: bench.log })).toMatchObject([{ intact: false, line }]);
    await expect(bench.approve()).rejects.toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(`line ${line}`) });
    await expect(bench.terok.reviews.reject('shop', 'No')).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  });

  test('that a crash tore goes on, and says so', async () => {
    await using bench = await openBench();
    await bench.push('a');
    await bench.approve();
    await appendFile(bench.log, '{"sequence":2,"ti');
    await bench.terok.apply('shop');
    expect(await verify(bench)).toMatchObject([{ intact: true, lines: 4 }]);
    expect((await linesOf(bench.log))[1]).toContain('audit-repaired');
  });
});
