import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readdir, readFile, readlink, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { patient } from '../../../src/core/index.ts';
import type { ConformanceCase } from '../support/case.ts';
import { hostDirectory } from '../support/host.ts';
import { errorOf, sh, shOutput } from '../support/in-bottle.ts';
import { sized } from '../support/scale.ts';

/** One GiB where the run is not scaled down */
const GIB = sized(1024 ** 3);
const NAMES = ['new\nline', '-rf', 'a:b', 'ü日🫙', 'n'.repeat(255), 'sp ace', "quo'te", 'back\\slash', '*', '$(id)', '..dots', 'tail '];
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o7777;

export const fileCases: readonly ConformanceCase[] = [
  {
    id: 'F30',
    title: 'files and directories go in and come out as they were',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      const data = randomBytes(3_000_000);
      await mkdir(path.join(host, 'tree/deep/er'), { recursive: true });
      await mkdir(path.join(host, 'tree/empty'));
      await writeFile(path.join(host, 'tree/deep/er/data'), data);
      await writeFile(path.join(host, 'tree/nothing'), '');
      expect(await bottle.copyIn(path.join(host, 'tree'), `${scratch}/tree`)).toEqual({ files: 2, bytes: data.length, refused: [] });
      expect(await shOutput(bottle, 'cd "$0" && find . | LC_ALL=C sort', [`${scratch}/tree`])).toBe(
        '.\n./deep\n./deep/er\n./deep/er/data\n./empty\n./nothing',
      );
      expect(await bottle.copyOut(`${scratch}/tree`, path.join(host, 'back'))).toEqual({ files: 2, bytes: data.length, refused: [] });
      expect(sha256(await readFile(path.join(host, 'back/deep/er/data')))).toBe(sha256(data));
      expect((await readdir(path.join(host, 'back'))).toSorted()).toEqual(['deep', 'empty', 'nothing']);
      await bottle.copyIn(path.join(host, 'tree/deep/er/data'), `${scratch}/file`);
      await bottle.copyOut(`${scratch}/file`, path.join(host, 'file'));
      expect(sha256(await readFile(path.join(host, 'file')))).toBe(sha256(data));
    },
  },
  {
    id: 'F30b',
    title: 'a copy never replaces anything, in either direction',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await writeFile(path.join(host, 'mine'), 'mine');
      await shOutput(bottle, 'echo theirs > "$0/theirs"', [scratch]);
      expect((await errorOf(bottle.copyIn(path.join(host, 'mine'), `${scratch}/theirs`))).code).toBe('ALREADY_EXISTS');
      expect((await errorOf(bottle.copyOut(`${scratch}/theirs`, path.join(host, 'mine')))).code).toBe('ALREADY_EXISTS');
      expect(await shOutput(bottle, 'cat "$0/theirs"', [scratch])).toBe('theirs');
      expect(await readFile(path.join(host, 'mine'), 'utf8')).toBe('mine');
    },
  },
  {
    id: 'F30c',
    title: 'the caller sees every file of a copy out before it has its name, and can refuse the whole of it',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await shOutput(
        bottle,
        'mkdir -p "$0/tree/.vscode" && echo x > "$0/tree/.vscode/tasks.json" && echo y > "$0/tree/run" && chmod 755 "$0/tree/run"',
        [scratch],
      );
      const seen: unknown[] = [];
      const refuse = async (files: readonly unknown[]): Promise<void> => {
        seen.push(...files);
        throw new Error('not this');
      };
      await expect(bottle.copyOut(`${scratch}/tree`, path.join(host, 'out'), { beforePublish: refuse })).rejects.toThrow('not this');
      expect(seen).toHaveLength(2);
      expect(seen).toEqual(
        expect.arrayContaining([
          { path: '.vscode/tasks.json', executable: false },
          { path: 'run', executable: true },
        ]),
      );
      expect(await readdir(host)).toEqual([]);
    },
  },
  {
    id: 'F31',
    title: 'modes are kept, and copies belong to the user that was named',
    run: async ({ bottle, scratch, atEnd, under }) => {
      const host = await hostDirectory(atEnd);
      const tree = path.join(host, 'tree');
      await mkdir(tree, { mode: 0o750 });
      for (const mode of [0o755, 0o600, 0o444, 0o640]) {
        await writeFile(path.join(tree, mode.toString(8)), 'x');
        await chmod(path.join(tree, mode.toString(8)), mode);
      }
      await bottle.copyIn(tree, `${scratch}/agent`);
      const shown = 'cd "$0" && stat -c "%n %a" . *; stat -c %u . * | sort -u';
      const me = await shOutput(bottle, 'id -u');
      expect(await shOutput(bottle, shown, [`${scratch}/agent`])).toBe(`. 750\n444 444\n600 600\n640 640\n755 755\n${me}`);
      await bottle.copyOut(`${scratch}/agent`, path.join(host, 'back'));
      expect(await Promise.all(['755', '600', '444', '640'].map((name) => modeOf(path.join(host, 'back', name))))).toEqual([
        0o755, 0o600, 0o444, 0o640,
      ]);
      expect((await stat(path.join(host, 'back', '755'))).uid).toBe(process.getuid?.());
      if (!under.backend.capabilities.rootUser) return;
      await bottle.copyIn(tree, '/root/copied', { owner: 'root' });
      expect(await shOutput(bottle, 'stat -c %u /root/copied /root/copied/* | sort -u', [], { user: 'root' })).toBe('0');
    },
  },
  {
    id: 'F32',
    title: 'links go in as they are and never come out',
    unless: ({ capabilities }) => (capabilities.copySymlinks ? undefined : 'the backend declares that it copies no links'),
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      const tree = path.join(host, 'tree');
      await mkdir(tree);
      await writeFile(path.join(host, 'outside'), 'outside');
      await writeFile(path.join(tree, 'inside'), 'inside');
      await symlink('inside', path.join(tree, 'relative'));
      await symlink(path.join(host, 'outside'), path.join(tree, 'absolute'));
      await symlink('nowhere', path.join(tree, 'dangling'));
      await bottle.copyIn(tree, `${scratch}/tree`);
      expect(await shOutput(bottle, 'cd "$0"; for l in relative absolute dangling; do readlink $l; done', [`${scratch}/tree`])).toBe(
        `inside\n${host}/outside\nnowhere`,
      );
      const { refused } = await bottle.copyOut(`${scratch}/tree`, path.join(host, 'back'));
      expect(refused.map((entry) => path.basename(entry.path)).toSorted()).toEqual(['absolute', 'dangling', 'relative']);
      expect(await readdir(path.join(host, 'back'))).toEqual(['inside']);
    },
  },
  {
    id: 'F33',
    title: 'a link in the bottle never leads a copy to the host’s files',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      const canary = `canary-${randomBytes(8).toString('hex')}`;
      await mkdir(path.join(host, 'private'));
      await writeFile(path.join(host, 'private/secret'), canary);
      await symlink(path.join(host, 'private'), path.join(host, 'control'));
      expect(await readFile(path.join(host, 'control/secret'), 'utf8')).toBe(canary);
      await shOutput(
        bottle,
        'cd "$0"; ln -s "$1" evil; ln -s "$1/secret" file; mkdir out; ln -s "$1" out/dir; ln -s ../../../../../../../..$1/secret out/up',
        [scratch, path.join(host, 'private')],
      );
      for (const source of ['evil/secret', 'evil', 'file']) {
        await bottle.copyOut(`${scratch}/${source}`, path.join(host, `got-${path.basename(source)}`)).catch(() => undefined);
      }
      await bottle.copyOut(`${scratch}/out`, path.join(host, 'got-out'));
      await bottle.copyIn(path.join(host, 'private/secret'), `${scratch}/evil/planted`).catch(() => undefined);
      expect(await readdir(path.join(host, 'private'))).toEqual(['secret']);
      expect((await filesBelow(host, ['private', 'control'])).filter(({ content }) => content.includes(canary))).toEqual([]);
    },
  },
  {
    id: 'F34',
    title: 'a sparse file of 1 GiB goes in and comes out with every byte',
    timeoutMs: 300_000,
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      const file = path.join(host, 'sparse');
      await writeFile(file, 'head');
      await truncate(file, GIB - 4);
      await writeFile(file, 'tail', { flag: 'a' });
      expect(await bottle.copyIn(file, `${scratch}/sparse`)).toEqual({ files: 1, bytes: GIB, refused: [] });
      expect(await shOutput(bottle, 'stat -c %s "$0"; head -c 4 "$0"; tail -c 4 "$0"', [`${scratch}/sparse`])).toBe(`${GIB}\nheadtail`);
      expect(await bottle.copyOut(`${scratch}/sparse`, path.join(host, 'back'))).toEqual({ files: 1, bytes: GIB, refused: [] });
      await promisify(execFile)('cmp', [file, path.join(host, 'back')]);
      await shOutput(bottle, 'rm "$0"', [`${scratch}/sparse`]);
    },
  },
  {
    id: 'F35',
    title: 'what is more than was allowed is refused and leaves nothing on the host',
    timeoutMs: 180_000,
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await shOutput(bottle, 'cd "$0"; truncate -s 5G huge; mkdir many; i=0; while [ $i -lt 40 ]; do echo $i > many/$i; i=$((i+1)); done', [
        scratch,
      ]);
      const refusedAs = async (source: string, options: object): Promise<string> =>
        (await errorOf(bottle.copyOut(`${scratch}/${source}`, path.join(host, 'out'), options))).code;
      expect(await refusedAs('huge', { maxBytes: 50_000_000 })).toBe('COPY_REFUSED');
      expect(await refusedAs('many', { maxEntries: 20 })).toBe('COPY_REFUSED');
      expect(await refusedAs('many', { maxBytes: 20 })).toBe('COPY_REFUSED');
      expect(await readdir(host)).toEqual([]);
      expect((await bottle.copyOut(`${scratch}/many`, path.join(host, 'out'), { maxEntries: 50, maxBytes: 200 })).files).toBe(40);
    },
  },
  {
    id: 'F36',
    title: 'any name that a file can have is copied',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await mkdir(path.join(host, 'names'));
      for (const name of NAMES) await writeFile(path.join(host, 'names', name), name);
      await bottle.copyIn(path.join(host, 'names'), `${scratch}/names`);
      expect(Number(await shOutput(bottle, 'ls -A "$0" -1 --zero 2>/dev/null | tr -cd "\\0" | wc -c', [`${scratch}/names`]))).toBe(
        NAMES.length,
      );
      await bottle.copyOut(`${scratch}/names`, path.join(host, 'back'));
      expect((await readdir(path.join(host, 'back'))).toSorted()).toEqual(NAMES.toSorted());
      for (const name of NAMES) {
        const alone = path.join(host, 'alone');
        await mkdir(alone, { recursive: true });
        await bottle.copyOut(`${scratch}/names/${name}`, path.join(alone, name));
        expect(await readFile(path.join(alone, name), 'utf8')).toBe(name);
        await bottle.copyIn(path.join(alone, name), `${scratch}/${name}`);
        expect(await shOutput(bottle, 'cat "$0"', [`${scratch}/${name}`])).toBe(name.trimEnd() === name ? name : name);
      }
    },
  },
  {
    id: 'F37',
    title: 'a missing source is named',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      expect((await errorOf(bottle.copyIn(path.join(host, 'absent'), `${scratch}/x`))).code).toBe('NOT_FOUND');
      expect((await errorOf(bottle.copyOut(`${scratch}/absent`, path.join(host, 'x')))).code).toBe('NOT_FOUND');
      expect((await errorOf(bottle.copyOut(`${scratch}/no/such/dir`, path.join(host, 'x')))).code).toBe('NOT_FOUND');
      expect(await readdir(host)).toEqual([]);
    },
  },
  {
    id: 'F40',
    title: '20 000 files come out',
    timeoutMs: 240_000,
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await shOutput(bottle, 'mkdir "$0/many" && cd "$0/many" && seq "$1" | split -l 1 -a 4 - f', [scratch, String(sized(20_000))], {
        timeoutMs: patient(120_000),
      });
      expect((await bottle.copyOut(`${scratch}/many`, path.join(host, 'many'))).files).toBe(sized(20_000));
      expect(await readdir(path.join(host, 'many'))).toHaveLength(sized(20_000));
    },
  },
  {
    id: 'F41',
    title: 'pipes and sockets do not come out, and no file comes out with special rights',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await shOutput(
        bottle,
        'mkdir "$0/odd" && cd "$0/odd" && mkfifo pipe && echo x > setuid && chmod 6755 setuid && mkdir sticky && chmod 1777 sticky',
        [scratch],
      );
      const { refused, files } = await bottle.copyOut(`${scratch}/odd`, path.join(host, 'odd'));
      expect(refused.map((entry) => [path.basename(entry.path), entry.reason !== ''])).toEqual([['pipe', true]]);
      expect(files).toBe(1);
      expect((await modeOf(path.join(host, 'odd/setuid'))) & 0o7000).toBe(0);
      expect((await errorOf(bottle.copyOut(`${scratch}/odd/pipe`, path.join(host, 'pipe')))).code).toBe('COPY_REFUSED');
      await promisify(execFile)('mkfifo', [path.join(host, 'in')]);
      expect((await errorOf(bottle.copyIn(path.join(host, 'in'), `${scratch}/in`))).code).toBe('COPY_REFUSED');
    },
  },
  {
    id: 'F42',
    title: 'a copy is a copy: later changes on one side do not show on the other',
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await writeFile(path.join(host, 'file'), 'first');
      await bottle.copyIn(path.join(host, 'file'), `${scratch}/file`);
      await writeFile(path.join(host, 'file'), 'second');
      expect(await shOutput(bottle, 'cat "$0"; echo third > "$0"', [`${scratch}/file`])).toBe('first');
      expect(await readFile(path.join(host, 'file'), 'utf8')).toBe('second');
    },
  },
  {
    id: 'F42b',
    title: 'a cancelled copy out leaves nothing, and the bottle goes on',
    timeoutMs: 120_000,
    run: async ({ bottle, scratch, atEnd }) => {
      const host = await hostDirectory(atEnd);
      await shOutput(bottle, 'truncate -s 1500M "$0/big"', [scratch]);
      const copying = bottle.copyOut(`${scratch}/big`, path.join(host, 'big'), { signal: AbortSignal.timeout(150) });
      await expect(copying).rejects.toThrow();
      expect(await readdir(host)).toEqual([]);
      expect((await sh(bottle, 'exit 0')).status).toEqual({ kind: 'exited', code: 0 });
    },
  },
];

async function filesBelow(dir: string, except: readonly string[]): Promise<{ name: string; content: string }[]> {
  const found: { name: string; content: string }[] = [];
  for (const name of await readdir(dir, { recursive: true })) {
    if (except.some((prefix) => name === prefix || name.startsWith(`${prefix}/`))) continue;
    const info = await lstat(path.join(dir, name));
    if (info.isSymbolicLink()) found.push({ name, content: await readlink(path.join(dir, name)) });
    if (info.isFile()) found.push({ name, content: await readWhole(path.join(dir, name)) });
  }
  return found;
}

async function readWhole(file: string): Promise<string> {
  await using handle = await open(file);
  return (await handle.readFile()).toString('latin1');
}
