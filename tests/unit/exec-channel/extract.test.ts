import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { extract } from '../../../src/exec-channel/extract.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp('/tmp/exch-extract-');
  await mkdir(path.join(dir, 'staging'));
  await writeFile(path.join(dir, 'victim'), 'untouched');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

type Entry = Partial<Omit<Header, 'name'>> & { readonly name: string; readonly content?: string };
const directory = (name: string): Entry => ({ name, type: 'directory', mode: 0o755 });
const file = (name: string, content = 'x', mode = 0o644): Entry => ({ name, content, mode });

async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? '');
  archive.finalize();
  return await buffer(archive);
}

async function* cut(bytes: Buffer, size = 700): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const limits = { base: 'b', maxBytes: 1_000_000, maxEntries: 100 };
const extractEntries = async (entries: readonly Entry[], options: Partial<typeof limits> = {}): ReturnType<typeof extract> =>
  extract(cut(await archiveOf(entries)), { ...limits, ...options, target: path.join(dir, 'staging/copy') });

test('files and directories come out with content and mode, without set-user-id bits', async () => {
  const long = `b/sub/${'ü'.repeat(127)}`;
  const report = await extractEntries([
    directory('./b/'),
    directory('./b/sub'),
    file('b/-x\ny', 'hello', 0o4755),
    file(long, 'long'),
    file('b/none', '', 0o400),
  ]);
  expect(report).toMatchObject({ files: 3, bytes: 9, refused: [], list: expect.arrayContaining([{ path: 'none', executable: false }]) });
  expect(await readFile(path.join(dir, 'staging/copy/-x\ny'), 'utf8')).toBe('hello');
  expect((await stat(path.join(dir, 'staging/copy/-x\ny'))).mode & 0o7777).toBe(0o755);
  expect((await stat(path.join(dir, 'staging/copy/none'))).mode & 0o7777).toBe(0o400);
  expect(await readdir(path.join(dir, 'staging/copy/sub'))).toEqual(['ü'.repeat(127)]);
});

test.each([
  ['a parent in the middle', file('b/../../victim')],
  ['a parent at the end', directory('b/..')],
  ['a parent at the beginning', file('../victim')],
  ['an absolute path', file('/b/victim')],
  ['another base', file('c')],
  ['a dot component', file('b/./x')],
  ['an empty component', file('b//x')],
  ['a component of 256 bytes', file(`b/${'x'.repeat(256)}`)],
  ['a path of more than 4096 bytes', file(`b/${'x/'.repeat(2_100)}y`)],
  ['a file that comes twice', file('b/twice')],
  ['a directory in the place of a file', directory('b/twice')],
  ['a file below a file', file('b/twice/x')],
  ['a file in a directory that was never made', file('b/never/x')],
])('%s ends the copy', async (_name, entry) => {
  await expect(extractEntries([directory('b'), file('b/twice'), entry])).rejects.toMatchObject({ code: 'COPY_REFUSED' });
  expect(await readFile(path.join(dir, 'victim'), 'utf8')).toBe('untouched');
  expect(existsSync('/b/victim')).toBe(false);
});

test.each([
  ['symlink', 'a link'],
  ['link', 'a hard link'],
  ['character-device', 'a device'],
  ['block-device', 'a device'],
  ['fifo', 'a fifo'],
] as const)('a %s stays behind and is reported', async (type, what) => {
  const report = await extractEntries([
    directory('b'),
    { name: 'b/evil', type, linkname: '../victim', devmajor: 1, devminor: 3 },
    file('b/good'),
  ]);
  expect(report.refused).toEqual([{ path: 'evil', reason: `${what} may not leave a bottle` }]);
  expect(await readdir(path.join(dir, 'staging/copy'))).toEqual(['good']);
});

test('a link that is already there is not followed (positive control: the system would)', async () => {
  await mkdir(path.join(dir, 'staging/copy'));
  await symlink('../../victim', path.join(dir, 'staging/copy/link'));
  await writeFile(path.join(dir, 'staging/copy/link'), 'followed');
  expect(await readFile(path.join(dir, 'victim'), 'utf8')).toBe('followed');
  await expect(extractEntries([file('b/link', 'overwritten')])).rejects.toMatchObject({ code: 'COPY_REFUSED' });
  expect(await readFile(path.join(dir, 'victim'), 'utf8')).toBe('followed');
});

describe('limits', () => {
  test.each([
    ['bytes', { maxBytes: 10 }, [file('b', 'x'.repeat(11))]],
    ['bytes of several files', { maxBytes: 10 }, [directory('b'), file('b/1', 'x'.repeat(6)), file('b/2', 'x'.repeat(6))]],
    ['entries', { maxEntries: 2 }, [directory('b'), directory('b/1'), directory('b/2')]],
    [
      'entries that stay behind',
      { maxEntries: 2 },
      [directory('b'), { name: 'b/1', type: 'fifo' as const }, { name: 'b/2', type: 'fifo' as const }],
    ],
  ])('more %s than allowed end the copy', async (_name, options, entries) => {
    await expect(extractEntries(entries, options)).rejects.toMatchObject({ code: 'COPY_REFUSED' });
  });

  test('an announced size is refused before a byte of it is read', async () => {
    const header = (await archiveOf([file('b', 'x')])).subarray(0, 512);
    header.write('77777777777 ', 124, 'latin1');
    header.write('        ', 148, 'latin1');
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    await expect(extract(cut(header), { ...limits, target: path.join(dir, 'staging/copy') })).rejects.toThrow(/more than 1000000 bytes/);
  });

  test('an attribute of a gigabyte is refused before it is read', async () => {
    const header = (await archiveOf([{ name: 'b', pax: { path: 'b' } }])).subarray(0, 512);
    header.write('10000000000 ', 124, 'latin1');
    header.write('        ', 148, 'latin1');
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    await expect(extract(cut(header), { ...limits, target: path.join(dir, 'staging/copy') })).rejects.toThrow(/attribute is too long/);
  });
});

test('noise, and archives with changed or missing bytes, end as COPY_REFUSED or as a copy below the target', async () => {
  const good = await archiveOf([directory('b'), file('b/file', 'content'), file(`b/${'n'.repeat(150)}`, 'pax')]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.integer({ min: 0, max: good.length }),
      async (changes, length) => {
        const bytes = Buffer.from(good.subarray(0, length));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        await rm(path.join(dir, 'staging'), { recursive: true, force: true });
        await mkdir(path.join(dir, 'staging'));
        await extract(cut(bytes), { ...limits, target: path.join(dir, 'staging/copy') }).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'COPY_REFUSED' });
        });
        expect((await readdir(dir)).sort()).toEqual(['staging', 'victim']);
      },
    ),
    { numRuns: 150 },
  );
});
