import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findMissing, PROGRAMS, setUp } from '../../../scripts/setup.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'terok-setup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function lock(file: string, packages: Record<string, { version: string; optional?: boolean }>): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), JSON.stringify({ packages }));
}

test('npm packages are missing where there is no node_modules', () => {
  lock('package-lock.json', { 'node_modules/zod': { version: '4.0.0' } });
  expect(findMissing({ root }).npm).toBe('they are not installed');
});

test('npm packages are stale where one has another version than the lock file', () => {
  lock('package-lock.json', { '': { version: '1' }, 'node_modules/zod': { version: '4.0.0' } });
  lock('node_modules/.package-lock.json', { 'node_modules/zod': { version: '3.0.0' } });
  expect(findMissing({ root }).npm).toContain('zod');
  lock('node_modules/.package-lock.json', { 'node_modules/zod': { version: '4.0.0' } });
  expect(findMissing({ root }).npm).toBeUndefined();
});

test('an optional package of another platform is not missed', () => {
  lock('package-lock.json', { 'node_modules/for-macos': { version: '1.0.0', optional: true } });
  lock('node_modules/.package-lock.json', {});
  expect(findMissing({ root }).npm).toBeUndefined();
});

test('the Node among the npm packages is made again with them', () => {
  const { execPath } = process;
  lock('package-lock.json', { 'node_modules/zod': { version: '4.0.0' } });
  lock('node_modules/.package-lock.json', { 'node_modules/zod': { version: '3.0.0' } });
  try {
    expect(findMissing({ root }).node).toBe(false);
    process.execPath = path.join(root, 'node_modules/node/bin/node');
    expect(findMissing({ root }).node).toBe(true);
  } finally {
    process.execPath = execPath;
  }
});

test('a program that is nowhere on the PATH is missing, one that is there is not', () => {
  const bin = path.join(root, 'bin');
  mkdirSync(bin);
  const missing = (): string[] => findMissing({ root, env: { PATH: bin } }).programs.map((each) => each.program);
  expect(missing()).toContain('podman');
  symlinkSync('/bin/true', path.join(bin, 'podman'));
  expect(missing()).not.toContain('podman');
  expect(missing()).toContain('crun');
});

test('every program says why it is needed', () => {
  for (const { why } of PROGRAMS) expect(why.length).toBeGreaterThan(10);
});

test('without a terminal, --yes or CI nothing is installed, and the error says what to run', async () => {
  const env = { PATH: '/nowhere-but-here' };
  const attempt = setUp({ env: { ...env, PATH: makeAptDirectory() }, yes: false });
  await expect(attempt).rejects.toThrow(/--yes[\s\S]*apt-get[\s\S]*podman/);
});

/** A PATH with an apt-get that must never run. */
function makeAptDirectory(): string {
  const bin = path.join(root, 'apt');
  mkdirSync(bin);
  for (const name of ['apt-get', 'sudo']) symlinkSync('/bin/false', path.join(bin, name));
  return bin;
}
