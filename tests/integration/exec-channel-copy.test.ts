import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Channel, openChannel } from '../../src/exec-channel/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { startTestBottle, type TestBottle, whyNoTestBottle } from './exec-channel-bottle.ts';

const reason = await whyNoTestBottle();

describeUnless(reason, 'copying', () => {
  let bottle: TestBottle;
  let channel: Channel;
  let count = 0;
  const sh = async (script: string, user: 'agent' | 'root' = 'agent'): Promise<string> => {
    const { status, stdout, stderr } = await channel.exec(['sh', '-c', script], { user });
    if (status.kind !== 'exited' || status.code !== 0) throw new Error(`${JSON.stringify(status)} ${stderr.toString()}`);
    return stdout.toString();
  };
  const fresh = (): string => {
    const dir = path.join(bottle.dir, `case-${++count}`);
    mkdirSync(dir);
    return dir;
  };
  const leftovers = async (dir: string): Promise<string[]> => (await readdir(dir)).filter((name) => name.startsWith('.terok-copy'));

  beforeAll(async () => {
    bottle = await startTestBottle();
    channel = openChannel(bottle);
  });
  afterAll(async () => {
    channel?.close();
    await bottle?.[Symbol.asyncDispose]();
  });

  const NAMES = ['-rf', 'two\nlines', "it's", 'a b', 'ü漢🎉', 'x'.repeat(255), '*', '.hidden', 'c:d', '\\'];

  test('a directory goes in and comes out the same: names, content, modes, empty files and directories', async () => {
    const dir = fresh();
    await mkdir(path.join(dir, 'in/deep/er'), { recursive: true });
    for (const name of NAMES) await writeFile(path.join(dir, 'in/deep', name), name);
    await writeFile(path.join(dir, 'in/binary'), randomBytes(3_000_001));
    await writeFile(path.join(dir, 'in/empty'), '');
    await writeFile(path.join(dir, 'in/none'), 'no bits');
    for (const [name, mode] of [
      ['binary', 0o751],
      ['none', 0],
      ['deep/er', 0o555],
    ] as const)
      await chmod(path.join(dir, 'in', name), mode);
    const into = await channel.copyIn(path.join(dir, 'in'), '/work/new/parent/copy');
    const out = await channel.copyOut('/work/new/parent/copy', path.join(dir, 'out'));
    expect(into).toEqual({ files: NAMES.length + 3, bytes: expect.any(Number) as number, refused: [] });
    expect(out).toEqual(into);
    execFileSync('diff', ['-r', path.join(dir, 'in'), path.join(dir, 'out')]);
    expect((await stat(path.join(dir, 'out/binary'))).mode & 0o7777).toBe(0o751);
    expect((await stat(path.join(dir, 'out/none'))).mode & 0o7777).toBe(0);
    expect(await sh('stat -c "%U %a" /work/new/parent/copy/binary /work/new/parent/copy/deep/er /work/new/parent')).toBe(
      'agent 751\nagent 555\nagent 755\n',
    );
    expect(await leftovers(dir)).toEqual([]);
    expect(await sh('ls -A /work/new/parent')).toBe('copy\n');
  });

  test.each(NAMES)('a single file named %j goes in and comes out', async (name) => {
    const dir = fresh();
    await writeFile(path.join(dir, name), 'content');
    await mkdir(path.join(dir, 'out'));
    await channel.copyIn(path.join(dir, name), `/work/single/${name}`);
    await channel.copyOut(`/work/single/${name}`, path.join(dir, 'out', name));
    expect(await readFile(path.join(dir, 'out', name), 'utf8')).toBe('content');
  });

  describe('in', () => {
    test('links are kept as they are, never followed; special files and set-user-id bits stay behind', async () => {
      const dir = fresh();
      await writeFile(path.join(dir, 'secret'), 'secret of the host');
      await mkdir(path.join(dir, 'in'));
      await symlink('../secret', path.join(dir, 'in/relative'));
      await symlink('/etc/passwd', path.join(dir, 'in/absolute'));
      await symlink('..', path.join(dir, 'in/parent'));
      execFileSync('mkfifo', [path.join(dir, 'in/fifo')]);
      await writeFile(path.join(dir, 'in/suid'), 'x');
      await chmod(path.join(dir, 'in/suid'), 0o4755);
      const report = await channel.copyIn(path.join(dir, 'in'), '/work/links');
      expect(report).toMatchObject({ files: 1, refused: [{ path: 'fifo' }] });
      expect(await sh('readlink /work/links/relative /work/links/absolute /work/links/parent; stat -c %a /work/links/suid')).toBe(
        '../secret\n/etc/passwd\n..\n755\n',
      );
      expect(await sh('grep -rsc "secret of the host" /work/links/relative || true')).toBe('');
      await channel.copyIn(path.join(dir, 'in/relative'), '/work/link-alone');
      expect(await sh('readlink /work/link-alone')).toBe('../secret\n');
    });

    test('a target that exists is refused and stays as it was, also a link that leads nowhere', async () => {
      const dir = fresh();
      await writeFile(path.join(dir, 'file'), 'new');
      await sh('mkdir -p /work/there/sub; echo old > /work/there/file; ln -s /nope /work/there/dangling');
      for (const target of ['/work/there', '/work/there/file', '/work/there/dangling', '/work/there/sub/']) {
        await expect(channel.copyIn(path.join(dir, 'file'), target)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      }
      expect(await sh('cat /work/there/file; ls -A /work/there /work/there/sub')).toBe(
        'old\n/work/there:\ndangling\nfile\nsub\n\n/work/there/sub:\n',
      );
    });

    test('the agent gets nowhere by it that he could not write himself; root does (positive control)', async () => {
      const dir = fresh();
      await writeFile(path.join(dir, 'file'), 'x');
      await sh('ln -s /etc /work/evil');
      await expect(channel.copyIn(path.join(dir, 'file'), '/work/evil/planted')).rejects.toMatchObject({
        code: 'RUNTIME_FAILED',
        message: expect.stringContaining('Permission denied') as string,
      });
      await channel.copyIn(path.join(dir, 'file'), '/etc/by-root', { owner: 'root' });
      expect(await sh('stat -c %U /etc/by-root')).toBe('root\n');
    });

    test('missing sources are NOT_FOUND, special ones COPY_REFUSED, wrong targets USAGE', async () => {
      const dir = fresh();
      execFileSync('mkfifo', [path.join(dir, 'fifo')]);
      await expect(channel.copyIn(path.join(dir, 'nope'), '/work/x1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(channel.copyIn(path.join(dir, 'fifo'), '/work/x2')).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      await expect(channel.copyIn(dir, 'relative')).rejects.toMatchObject({ code: 'USAGE' });
      await expect(channel.copyIn(dir, '/')).rejects.toMatchObject({ code: 'USAGE' });
    });

    test('a copy that is cancelled leaves nothing in the bottle', async () => {
      const dir = fresh();
      await writeFile(path.join(dir, 'big'), '');
      await truncate(path.join(dir, 'big'), 20 * 1024 ** 3);
      const controller = new AbortController();
      const copy = channel.copyIn(path.join(dir, 'big'), '/work/cancelled/big', { signal: controller.signal });
      await sleep(400);
      controller.abort();
      await expect(copy).rejects.toMatchObject({ code: 'CANCELLED' });
      await sleep(200);
      expect(await sh('ls -A /work/cancelled')).toBe('');
    });

    test('a sparse file arrives with the same content', async () => {
      const dir = fresh();
      await writeFile(path.join(dir, 'sparse'), 'begin');
      await truncate(path.join(dir, 'sparse'), 64 * 1024 ** 2);
      await channel.copyIn(path.join(dir, 'sparse'), '/work/sparse');
      const sum = execFileSync('sha256sum', ['-b'], { input: await readFile(path.join(dir, 'sparse')) })
        .toString()
        .split(' ')[0];
      expect((await sh('sha256sum /work/sparse')).split(' ')[0]).toBe(sum);
    });
  });

  describe('out', () => {
    test('links, devices and fifos stay behind and are named; hard links come out as files', async () => {
      const dir = fresh();
      await sh(
        'mkdir -p /work/mixed; cd /work/mixed; ln -s /etc/passwd link; ln -s .. up; mkfifo fifo; echo x > file; ln file hard; cp /bin/true suid; chmod 4755 suid',
      );
      const report = await channel.copyOut('/work/mixed', path.join(dir, 'out'));
      expect(report.refused.map(({ path: name }) => name).sort()).toEqual(['fifo', 'link', 'up']);
      expect((await readdir(path.join(dir, 'out'))).sort()).toEqual(['file', 'hard', 'suid']);
      expect((await lstat(path.join(dir, 'out/suid'))).mode & 0o7777).toBe(0o755);
      expect(await readFile(path.join(dir, 'out/hard'), 'utf8')).toBe('x\n');
    });

    test('a link as the source copies nothing of what it leads to', async () => {
      const dir = fresh();
      await sh('ln -s /etc /work/source-link');
      await expect(channel.copyOut('/work/source-link', path.join(dir, 'out'))).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      expect(await readdir(dir)).toEqual([]);
    });

    test('an archiver that the agent replaced brings nothing outside of the target', async () => {
      await using other = await startTestBottle();
      const own = openChannel(other);
      const dir = fresh();
      await writeFile(path.join(dir, 'victim'), 'untouched');
      await own.exec(
        [
          'sh',
          '-c',
          'mkdir -p /work/a; cd /work/a; echo evil > victim; tar -c -P -f /work/evil.tar --transform "s,^,../," victim; mv /usr/bin/tar /usr/bin/tar.real; printf "#!/bin/sh\\ncat /work/evil.tar\\n" > /usr/bin/tar; chmod 755 /usr/bin/tar',
        ],
        { user: 'root' },
      );
      await expect(own.copyOut('/work/a', path.join(dir, 'out'))).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      expect(await readFile(path.join(dir, 'victim'), 'utf8')).toBe('untouched');
      expect(await readdir(dir)).toEqual(['victim']);
      await own.exec(['sh', '-c', 'printf "#!/bin/sh\\nexec yes\\n" > /usr/bin/tar'], { user: 'root' });
      await expect(own.copyOut('/work/a', path.join(dir, 'out'))).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      expect((await own.exec(['pgrep', '-c', 'yes'])).stdout.toString()).toBe('0\n');
      own.close();
    });

    test('a target that exists is refused before anything is read', async () => {
      const dir = fresh();
      await mkdir(path.join(dir, 'empty'));
      await symlink('/nope', path.join(dir, 'dangling'));
      for (const name of ['empty', 'dangling']) {
        await expect(channel.copyOut('/etc/hostname', path.join(dir, name))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      }
      expect(await readlink(path.join(dir, 'dangling'))).toBe('/nope');
    });

    test.each([
      ['bytes', { maxBytes: 1_000_000 }],
      ['entries', { maxEntries: 50 }],
    ])('more %s than allowed are COPY_REFUSED, and nothing stays', async (_name, limits) => {
      const dir = fresh();
      await sh('mkdir -p /work/many; cd /work/many; [ -e big ] || { head -c 5000000 /dev/zero > big; seq 200 | xargs touch; }');
      await expect(channel.copyOut('/work/many', path.join(dir, 'out'), limits)).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      expect(await readdir(dir)).toEqual([]);
    });

    test('a missing source is NOT_FOUND, also where the target has no directory', async () => {
      const dir = fresh();
      await expect(channel.copyOut('/work/nope', path.join(dir, 'out'))).rejects.toMatchObject({
        code: 'NOT_FOUND',
        context: { kind: 'source' },
      });
      await expect(channel.copyOut('/etc/passwd', path.join(dir, 'nope/out'))).rejects.toMatchObject({
        code: 'NOT_FOUND',
        context: { kind: 'target' },
      });
      expect(await readdir(dir)).toEqual([]);
    });

    test('a full disk is DISK_FULL, and the staging directory is gone', async () => {
      const dir = fresh();
      const small = path.join(dir, 'small');
      await mkdir(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
      try {
        await sh('head -c 3000000 /dev/zero > /work/three-megabytes');
        await expect(channel.copyOut('/work/three-megabytes', path.join(small, 'out'))).rejects.toMatchObject({ code: 'DISK_FULL' });
        expect(await readdir(small)).toEqual([]);
      } finally {
        execFileSync('umount', [small]);
      }
    });

    test('a cancelled copy leaves nothing on the host and no archiver in the bottle', async () => {
      const dir = fresh();
      await sh('truncate -s 20G /work/endless');
      const controller = new AbortController();
      const copy = channel.copyOut('/work/endless', path.join(dir, 'out'), { signal: controller.signal, maxBytes: 1024 ** 4 });
      await sleep(400);
      controller.abort();
      await expect(copy).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(await readdir(dir)).toEqual([]);
      expect(await sh('pgrep -xc tar || true')).toBe('0\n');
      expect(existsSync(path.join(dir, 'out'))).toBe(false);
    });
  });
});
