import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostRoots } from '../../../src/core/host-roots.ts';

const [first = '', second = '', third = ''] = tls.rootCertificates;
let dir: string;
const at = (name: string): string => path.join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-roots-'));
  writeFileSync(at('bundle.pem'), `# a comment\n${first}\n${second}\n`);
  writeFileSync(at('third.pem'), third);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('the first bundle that is there is trusted', () => {
  expect(hostRoots({}, [at('absent.pem'), at('bundle.pem'), at('third.pem')])).toEqual([first, second]);
});

test('SSL_CERT_FILE stands for the bundle, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS come on top, each certificate once', () => {
  symlinkSync('bundle.pem', at('0123abcd.0'));
  const env = { SSL_CERT_FILE: at('third.pem'), SSL_CERT_DIR: `${at('absent')}:${dir}`, NODE_EXTRA_CA_CERTS: at('bundle.pem') };
  expect(hostRoots(env, []).toSorted()).toEqual([first, second, third].toSorted());
});

test('a host without any has those of Node', () => {
  expect(hostRoots({}, [at('absent.pem')])).toEqual([...new Set(tls.getCACertificates('bundled'))]);
});
