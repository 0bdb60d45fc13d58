import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Secret, Vault } from '../../../src/vault/index.ts';

let root: string;
let dir: string;
let vault: Vault;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'terok-vault-'));
  dir = path.join(root, 'secrets');
  vault = new Vault(dir);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('Vault', () => {
  test('stores, lists, replaces and removes', async () => {
    expect(await vault.list()).toEqual([]);
    await vault.set('b', new Secret('one'));
    await vault.set('a', new Secret('two\nlines\n'));
    await vault.set('b', new Secret('three'));
    expect(await vault.list()).toEqual(['a', 'b']);
    expect((await vault.get('b')).reveal()).toBe('three');
    expect((await vault.get('a')).reveal()).toBe('two\nlines\n');
    expect(await vault.remove('b')).toBe(true);
    expect(await vault.remove('b')).toBe(false);
    await expect(vault.get('b')).rejects.toThrow(
      expect.objectContaining({ code: 'SECRET_MISSING', hint: expect.stringContaining('terok secret set b') }),
    );
  });

  test('its files are for their owner only, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await vault.set('a', new Secret('one'));
    } finally {
      process.umask(before);
    }
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(dir, 'a')).mode & 0o777).toBe(0o600);
  });

  test.each(['', '.', '..', '../a', 'a/b', 'A', 'a\0', '-a', '.new-a', 'a..b', 'x'.repeat(65)])('refuses the name %j', async (name) => {
    await expect(vault.set(name, new Secret('x'))).rejects.toThrow(/secret's name/);
    await expect(vault.get(name)).rejects.toThrow(/secret's name/);
    await expect(vault.remove(name)).rejects.toThrow(/secret's name/);
  });

  test('refuses empty and huge values', async () => {
    await expect(vault.set('a', new Secret(''))).rejects.toThrow(/empty/);
    await expect(vault.set('a', new Secret('x'.repeat(70_000)))).rejects.toThrow(/longer/);
  });

  test('refuses a file that others can read, and a link', async () => {
    await vault.set('a', new Secret('one'));
    chmodSync(path.join(dir, 'a'), 0o644);
    await expect(vault.get('a')).rejects.toThrow(/0644/);
    symlinkSync('/etc/passwd', path.join(dir, 'link'));
    await expect(vault.get('link')).rejects.toThrow();
  });

  test('removes what a killed writer left, and never lists it', async () => {
    await vault.set('a', new Secret('one'));
    const torn = path.join(dir, '.new-torn');
    writeFileSync(torn, 'half a secr', { mode: 0o600 });
    expect(await vault.list()).toEqual(['a']);
    utimesSync(torn, 0, 0);
    await vault.set('a', new Secret('two'));
    expect(readdirSync(dir)).toEqual(['a']);
  });

  test('a writer killed at any moment leaves the old or the new value', async () => {
    await vault.set('a', new Secret('old'.repeat(10_000)));
    const script = `const { Vault, Secret } = await import(${JSON.stringify(path.resolve('src/vault/index.ts'))}); const v = new Vault(${JSON.stringify(dir)}); console.log('up'); for (;;) await v.set('a', new Secret('new'.repeat(10_000)));`;
    const child = execFile(process.execPath, ['--input-type=module', '-e', script]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 37));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(['old'.repeat(10_000), 'new'.repeat(10_000)]).toContain((await vault.get('a')).reveal());
  });
});

describe('Secret', () => {
  const secret = new Secret('sk-live-canary');

  test.each([
    ['JSON', () => JSON.stringify({ secret })],
    ['a template', () => `${String(secret)}`],
    ['a coercion', () => ['x', secret].join('')],
    ['inspect', () => inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
    ['an error', () => String(new Error(`failed with ${String(secret)}`))],
    ['its own fields', () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret).map(String), Object.assign({}, secret)])],
  ])('does not show in %s', (_where, show) => {
    expect(show()).not.toContain('canary');
  });

  test('cannot be cloned out', () => {
    expect(JSON.stringify(structuredClone({ secret }))).not.toContain('canary');
  });
});
