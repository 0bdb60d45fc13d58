import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { aptSourcesFor, defaultSuite, parseDeb822, parseOneLine, toAptLine, withoutCredentials } from '../../../src/images/apt-sources.ts';
import { temporaryPaths } from '../../support/temporary-paths.ts';

const DEB822 = `Types: deb
# a comment inside
URIs: http://mirror.corp.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/corp.gpg

Types: deb deb-src
URIs: http://mirror.corp.example/security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://deb.nodesource.example/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
`;

async function withEtc<T>(files: Readonly<Record<string, string>>, work: (etc: string) => Promise<T>): Promise<T> {
  await using temporary = await temporaryPaths();
  const etc = path.join(temporary.root, 'etc');
  await mkdir(path.join(etc, 'apt/sources.list.d'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(etc, name), text);
  return await work(etc);
}

const DEBIAN = { 'os-release': 'ID=debian\nVERSION_CODENAME=bookworm\n' };

describe('apt sources', () => {
  it('takes mirror and keyring of the host, main only', async () => {
    const sources = await withEtc({ ...DEBIAN, 'apt/sources.list.d/debian.sources': DEB822 }, (etc) => aptSourcesFor('bookworm', etc));
    expect(sources.map(toAptLine)).toEqual([
      'deb [signed-by=/usr/share/keyrings/corp.gpg] http://mirror.corp.example/debian bookworm main',
      'deb [signed-by=/usr/share/keyrings/corp.gpg] http://mirror.corp.example/debian bookworm-updates main',
      'deb http://mirror.corp.example/security bookworm-security main',
    ]);
  });

  it('asks the host’s mirror for another suite too', async () => {
    const sources = await withEtc({ ...DEBIAN, 'apt/sources.list': 'deb http://mirror.corp.example/debian bookworm main\n' }, (etc) =>
      aptSourcesFor('trixie', etc),
    );
    expect(sources.map(toAptLine)).toEqual(['deb http://mirror.corp.example/debian trixie main']);
  });

  it('says what to do on a host without a Debian mirror', async () => {
    const files = {
      'os-release': 'ID=ubuntu\nVERSION_CODENAME=noble\n',
      'apt/sources.list': 'deb http://archive.ubuntu.example/ubuntu noble main\n',
    };
    await withEtc(files, async (etc) => {
      expect(await defaultSuite(etc)).toBe('bookworm');
      await expect(aptSourcesFor('bookworm', etc)).rejects.toMatchObject({
        code: 'IMAGE_UNAVAILABLE',
        message: expect.stringContaining('bookworm'),
      });
    });
  });

  it('reads the one-line form with options and comments', () => {
    const text =
      '# deb http://no.example/ x main\ndeb [arch=amd64 signed-by=/k.gpg] http://a.example/debian bookworm main contrib # why\ndeb-src http://a.example/debian bookworm main\n';
    expect(parseOneLine(text)).toEqual([
      { uri: 'http://a.example/debian', suite: 'bookworm', components: ['main', 'contrib'], signedBy: '/k.gpg' },
    ]);
  });

  it('leaves out a key that is written into the stanza', () => {
    const [source] = parseDeb822(
      'Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n',
    );
    expect(source).toEqual({ uri: 'http://a.example/debian', suite: 'sid', components: ['main'] });
  });

  it('keeps the password of a mirror out of an image', () => {
    const source = { uri: 'https://me:hunter2@mirror.corp.example/debian', suite: 'bookworm', components: ['main'] };
    expect(toAptLine(source)).toContain('hunter2');
    expect(toAptLine(withoutCredentials(source))).toBe('deb https://mirror.corp.example/debian bookworm main');
  });
});
