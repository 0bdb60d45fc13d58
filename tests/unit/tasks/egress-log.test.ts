import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decisionLines } from '../../../src/cli/render/egress.ts';
import { Output } from '../../../src/cli/terminal/output.ts';
import { openAuditLog } from '../../../src/sidecars/egress/index.ts';
import { followDecisions, readDecisions } from '../../../src/tasks/egress-log.ts';

let dir = '';
let file = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'terok-egress-log-'));
  file = path.join(dir, 'audit.jsonl');
});
afterEach(async () => await rm(dir, { recursive: true, force: true }));

const request = (path: string, decision: 'allow' | 'deny' = 'deny') => ({
  kind: 'request',
  decision,
  host: 'api.example.com',
  port: 443,
  method: 'POST',
  path,
  ...(decision === 'deny' ? { reason: 'path-not-allowed' } : { route: 'api' }),
});

test('names the command that would allow what was refused, and none where no rule helps', async () => {
  const log = openAuditLog(file);
  log.record(request('/v1/x'));
  log.record({ kind: 'dns', decision: 'deny', target: 'other.example', reason: 'no route' });
  log.record({ kind: 'dns', decision: 'deny', target: 'x`id`.example', reason: 'no route' });
  log.record({ ...request('/v1'), reason: 'framing-ambiguous' });
  log.record({ kind: 'end', decision: 'allow', of: 1 });
  log.close();
  const entries = await readDecisions(file, 'shop', { limit: 10, deniedOnly: false });
  expect(entries.map(({ fix }) => fix)).toEqual([
    'terok egress allow shop api.example.com --method POST --path /v1/x',
    'terok egress allow shop other.example',
    undefined,
    undefined,
  ]);
});

test('reads older files as far as it needs them', async () => {
  const log = openAuditLog(file, { maxBytes: 2_000, keep: 3 });
  for (let count = 0; count < 30; count += 1) log.record(request(`/${count}`, count % 2 === 0 ? 'deny' : 'allow'));
  log.close();
  const last = await readDecisions(file, 'shop', { limit: 8, deniedOnly: false });
  expect(last.map(({ path: each }) => each)).toEqual([22, 23, 24, 25, 26, 27, 28, 29].map((count) => `/${count}`));
  const denied = await readDecisions(file, 'shop', { limit: 3, deniedOnly: true });
  expect(denied.map(({ path: each }) => each)).toEqual(['/24', '/26', '/28']);
});

test('follows the file, also when it is put aside and begun anew, and over torn lines', async () => {
  const abort = new AbortController();
  const seen: (string | undefined)[] = [];
  writeFileSync(file, `${JSON.stringify({ sequence: 1, time: 't', ...request('/old') })}\n`);
  const following = (async () => {
    for await (const entry of followDecisions(file, 'shop', abort.signal)) {
      seen.push(entry.path);
      if (seen.length === 3) abort.abort();
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, 150));
  const line = (sequence: number): string => `${JSON.stringify({ sequence, time: 't', ...request(`/${sequence}`) })}\n`;
  appendFileSync(file, line(2).slice(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 250));
  appendFileSync(file, `${line(2).slice(20)}no line\n${line(3)}`);
  await new Promise((resolve) => setTimeout(resolve, 250));
  renameSync(file, `${file}.1`);
  writeFileSync(file, line(4));
  await following;
  expect(seen).toEqual(['/2', '/3', '/4']);
});

test('prints what a bottle chose as codes where a terminal would act on it', () => {
  const output = new Output(process, { NO_COLOR: '1' }, false);
  const [line = ''] = decisionLines(output, {
    sequence: 1,
    time: '2026-01-01T00:00:00.000Z',
    kind: 'dns',
    decision: 'deny',
    host: 'a\u001b[2Jb\u202e.example',
    reason: 'x\ny',
  });
  expect(line).toBe('00:00:00 refused dns a\\u{1b}[2Jb\\u{202e}.example (x\\ny)');
});
