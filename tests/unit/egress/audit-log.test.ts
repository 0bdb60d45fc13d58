import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openAuditLog, verifyAuditLog } from '../../../src/sidecars/egress/index.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-audit-'));
  file = path.join(dir, 'audit.jsonl');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fill(count: number, options = {}): void {
  const log = openAuditLog(file, options);
  for (let index = 0; index < count; index += 1) log.record({ kind: 'request', decision: 'allow', host: 'api.example.com', index });
  log.close();
}

describe('the audit log', () => {
  test('is private, and its chain verifies over restarts', () => {
    fill(5);
    fill(5);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(verifyAuditLog(file)).toEqual({ intact: true, lines: 10 });
  });

  test.each([
    ['a changed line', (lines: string[]) => lines.map((line, at) => (at === 3 ? line.replace('allow', 'deny!') : line))],
    ['a removed line', (lines: string[]) => lines.filter((_line, at) => at !== 3)],
    ['swapped lines', (lines: string[]) => [lines[1] ?? '', lines[0] ?? '', ...lines.slice(2)]],
  ])('shows %s', (_what, change) => {
    fill(8);
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    writeFileSync(file, `${change(lines).join('\n')}\n`);
    expect(verifyAuditLog(file)).toMatchObject({ intact: false });
  });

  test('cuts a line that a crash tore, records the cut and goes on', () => {
    fill(3);
    appendFileSync(file, '{"sequence":4,"time":"2026-');
    expect(verifyAuditLog(file)).toMatchObject({ intact: false, problem: 'is torn' });
    fill(2);
    expect(verifyAuditLog(file)).toEqual({ intact: true, lines: 6 });
    expect(readFileSync(file, 'utf8')).toContain('"kind":"audit-repaired"');
  });

  test('survives zeros and a torn only line', () => {
    writeFileSync(file, Buffer.alloc(4_096));
    fill(2);
    expect(verifyAuditLog(file)).toEqual({ intact: true, lines: 3 });
  });

  test('stays within its size, and the chain goes on over the files', () => {
    fill(400, { maxBytes: 4_096, keep: 3 });
    fill(400, { maxBytes: 4_096, keep: 3 });
    expect(existsSync(`${file}.3`)).toBe(true);
    expect(existsSync(`${file}.4`)).toBe(false);
    expect(verifyAuditLog(file)).toMatchObject({ intact: true });
    for (const name of [file, `${file}.1`, `${file}.2`, `${file}.3`]) expect(statSync(name).size).toBeLessThanOrEqual(4_096);
  });

  test('goes on where a crash came between putting aside and the first line', () => {
    fill(3);
    const old = readFileSync(file);
    rmSync(file);
    writeFileSync(`${file}.1`, old, { mode: 0o600 });
    fill(1);
    expect(verifyAuditLog(file)).toEqual({ intact: true, lines: 4 });
  });

  test('cuts long fields', () => {
    const log = openAuditLog(file);
    log.record({ kind: 'request', decision: 'deny', path: `/${'x'.repeat(100_000)}` });
    log.close();
    expect(statSync(file).size).toBeLessThan(2_000);
  });

  test('throws where it cannot be written', () => {
    const log = openAuditLog(file);
    log.close();
    expect(() => log.record({ kind: 'request', decision: 'allow' })).toThrow('closed');
  });

  test('writes the lines of one turn together, each before its decision counts', async () => {
    const log = openAuditLog(file);
    const first = log.commit({ kind: 'request', decision: 'allow', index: 0 });
    log.recordLater({ kind: 'end', decision: 'allow', index: 1 });
    const second = log.commit({ kind: 'request', decision: 'deny', index: 2 });
    expect(statSync(file).size).toBe(0);
    expect(await first).toBe(1);
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4);
    expect(await second).toBe(3);
    expect(log.record({ kind: 'request', decision: 'allow', index: 3 })).toBe(4);
    log.close();
    expect(verifyAuditLog(file)).toEqual({ intact: true, lines: 4 });
  });

  test('a line that cannot be written is no decision; what happened anyway waits for its place', async () => {
    const log = openAuditLog('/dev/full');
    const refused = log.commit({ kind: 'request', decision: 'allow' });
    log.recordLater({ kind: 'end', decision: 'allow' });
    await expect(refused).rejects.toMatchObject({ code: 'DISK_FULL' });
    await expect(log.commit({ kind: 'request', decision: 'allow' })).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(() => log.record({ kind: 'connection', decision: 'allow' })).toThrow('cannot be written');
  });

  test('is whole after kill -9 of a process that writes without pause', async () => {
    const module = path.resolve('src/core/audit-log.ts');
    const script = `import(${JSON.stringify(module)}).then(({ openAuditLog }) => { const log = openAuditLog(${JSON.stringify(file)}); const go = () => { for (let i = 0; i < 50; i += 1) log.record({ kind: 'request', decision: 'allow', i }); setImmediate(go); }; go(); })`;
    for (let round = 0; round < 2; round += 1) {
      const child = execFile(process.execPath, ['-e', script]);
      const before = existsSync(file) ? statSync(file).size : 0;
      await expect
        .poll(() => (existsSync(file) ? statSync(file).size : 0), { timeout: 15_000, interval: 20 })
        .toBeGreaterThan(before + 10_000);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    }
    fill(1);
    expect(verifyAuditLog(file)).toMatchObject({ intact: true });
  });
});
