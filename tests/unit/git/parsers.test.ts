import { describe, expect, test } from 'vitest';
import { hostGitEnvironment, renderUntrusted } from '../../../src/core/index.ts';
import { cloneCommands, salvageCommand } from '../../../src/projects/git/index.ts';
import { parseCgiHeader } from '../../../src/sidecars/git-gate/cgi-header.ts';
import { parseGateRequest } from '../../../src/sidecars/git-gate/gate-request.ts';

describe('the header of git http-backend', () => {
  test('is read with either line ending and passes known headers alone', () => {
    const header = parseCgiHeader(Buffer.from('Status: 404 Not Found\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\n\r\nbody\n\nmore'));
    expect(header).toEqual({ status: 404, headers: { 'content-type': 'text/plain' }, rest: Buffer.from('body\n\nmore') });
    expect(parseCgiHeader(Buffer.from('Pragma: no-cache\n\n'))).toMatchObject({ status: 200, headers: { pragma: 'no-cache' } });
    expect(parseCgiHeader(Buffer.from('Pragma: no-cache\r\n'))).toBeUndefined();
  });

  test.each([
    ['no colon\n\n'],
    ['Status: 100 Continue\n\n'],
    ['Status: 99\n\n'],
    ['Status: abc\n\n'],
    ['A: b\rC: d\n\n'],
    [' A: b\n\n'],
    [`A: ${'x'.repeat(20_000)}`],
  ])('is refused where malformed: %j', (text) => {
    expect(() => parseCgiHeader(Buffer.from(text))).toThrow(/git http-backend/);
  });
});

test('protocol versions that git does not know are dropped', () => {
  const parse = (value: string): unknown =>
    parseGateRequest({ method: 'GET', url: '/repo.git/info/refs?service=git-upload-pack', headers: { 'git-protocol': value } });
  expect(parse('version=2')).toMatchObject({ protocol: 'version=2' });
  expect(parse('version=2:x')).toMatchObject({ protocol: undefined });
});

test('untrusted text becomes one line without invisible or moving characters', () => {
  expect(renderUntrusted('a\u001b[2J\r\n\u202e\u2066\u200b\ufeff\u00adz\u{e0041}\u3164')).toBe(
    'a\\u{1b}[2J\\u{d}\\u{a}\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{ad}z\\u{e0041}\\u{3164}',
  );
  expect(renderUntrusted('Grüße, 日本語 👍')).toBe('Grüße, 日本語 👍');
  expect(renderUntrusted(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\ufffdb');
});

test('host git inherits nothing but the search path', () => {
  const env = hostGitEnvironment(
    { 'core.hooksPath': '/hooks' },
    { PATH: '/bin', HOME: '/root', GIT_DIR: '/x', GIT_SSH_COMMAND: 'evil', LD_PRELOAD: 'evil' },
  );
  expect(env).toMatchObject({ PATH: '/bin', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_NO_LAZY_FETCH: '1' });
  expect(Object.keys(env)).not.toEqual(expect.arrayContaining(['GIT_DIR']));
  expect(JSON.stringify(env)).not.toContain('evil');
  const index = Object.entries(env)
    .find(([, value]) => value === 'core.hooksPath')?.[0]
    .slice('GIT_CONFIG_KEY_'.length);
  expect(env[`GIT_CONFIG_VALUE_${index}`]).toBe('/hooks');
});

test('commands for the bottle are argv lists, and a slug that is none is refused', () => {
  const identity = { name: 'Ada; rm -rf /', email: 'ada@example.test' };
  const [clone] = cloneCommands({ slug: 'shop', directoryName: 'shop', identity });
  expect(clone?.argv.slice(-3)).toEqual(['--', 'http://gate.terok.internal/repo.git', '/work/shop']);
  expect(clone?.argv).toContain('user.name=Ada; rm -rf /');
  expect(() => salvageCommand({ slug: '../x', directoryName: 'shop' })).toThrow(/task name/);
});
