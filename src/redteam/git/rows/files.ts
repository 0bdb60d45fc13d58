/** Files that come out of a bottle. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../core/index.ts';
import { FILE_KINDS } from '../../../review/index.ts';
import type { Row } from '../../row.ts';
import { copyOut, directory, kindAt, kindsBelow, untar } from '../outgoing-files.ts';

const GIB = 1024 ** 3;
/** Copies of one row that run at the same time */
const AT_ONCE = 8;

const PLANT = `mkdir -p /tmp/tree/sub && cd /tmp/tree && echo plain > plain
ln -s /etc/passwd link; ln -s /tmp sub/out; ln plain hard; mkfifo fifo
cp /bin/true program && chmod 6755 program
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')" 2>/dev/null || true`;

export const FILE_ROWS: readonly Row[] = [
  {
    id: 'F1',
    title: 'links in the source, and in the way of the target',
    claim: 'A copy follows no link that a bottle made, and replaces nothing.',
    attack: 'plants links to files and directories of the host, and a link where the copy should go',
    defence: 'an archive of the bottle in which links are no files, and exclusive creation in a private directory',
    control: 'the archiver of this machine makes the link, and a plain write follows it',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      const canary = path.join(await directory(bench, 'canary'), 'secret');
      await writeFile(canary, 'of the host');
      await bottle.run([
        'sh',
        '-c',
        'mkdir -p /tmp/l/sub && ln -s "$1" /tmp/l/file && ln -s "$2" /tmp/l/sub/dir',
        'sh',
        canary,
        path.dirname(canary),
      ]);
      const control = await directory(bench, 'f1-control');
      await untar(bottle, '/tmp', 'l', control);
      trial.control(
        'the archiver makes the links',
        (await readFile(path.join(control, 'l/file'), 'utf8').catch(() => '')) === 'of the host',
      );
      const out = await directory(bench, 'f1');
      trial.attack(
        'a link alone comes out',
        (await copyOut(bench, bottle, '/tmp/l/file', path.join(out, 'file'))) === '' ||
          (await kindAt(path.join(out, 'file'))) !== 'nothing',
      );
      const said = await copyOut(bench, bottle, '/tmp/l', path.join(out, 'l'));
      trial.attack('links in a directory come out', (await kindsBelow(path.join(out, 'l'))).includes('link'), said);
      await symlink(canary, path.join(out, 'there'));
      await bottle.run(['sh', '-c', 'echo evil > /tmp/plain']);
      await copyOut(bench, bottle, '/tmp/plain', path.join(out, 'there'));
      trial.attack('a link at the target is followed', (await readFile(canary, 'utf8')) !== 'of the host');
    },
  },
  {
    id: 'F2',
    title: 'a file server that follows a replaced parent',
    claim: 'No directory of the host is shared with a bottle: nothing that the host writes after the start is seen inside.',
    attack:
      'replaces the directory of the user and its parent under a running bottle, writes to both and to the records of terok, and searches the bottle',
    defence: 'clones and copies in the place of shares',
    control: 'a program of the host that opens the directory again by its name gets the other one',
    async run(trial, bench) {
      const parent = await directory(bench, 'f2');
      const outside = await directory(bench, 'f2-outside');
      const source = path.join(parent, 'shop');
      for (const dir of [source, path.join(outside, 'shop')]) await mkdir(dir);
      await writeFile(path.join(source, 'README'), 'Work\n');
      const bottle = await bench.bottle({ source });
      await rename(parent, `${parent}-moved`);
      await symlink(outside, parent);
      const name = `canary-${randomBytes(6).toString('hex')}`;
      for (const dir of [source, `${parent}-moved/shop`, bottle.stateDirectory, bench.paths.data, bench.directory])
        await writeFile(path.join(dir, name), 'of the host');
      trial.control('by the name of the directory', (await readFile(path.join(outside, 'shop', name), 'utf8')) === 'of the host');
      await bottle.run(['sh', '-c', 'touch "/tmp/inside-$1"', 'sh', name]);
      const { stdout } = await bottle.run(['find', '/', '-path', '/proc/*', '-prune', '-o', '-name', `*${name}`, '-print'], {
        user: 'root',
      });
      const found = stdout.split('\n').filter((line) => line !== '');
      trial.control('the search in the bottle', found.includes(`/tmp/inside-${name}`), found);
      trial.attack('a file that the host wrote is seen', found.length !== 1, found);
    },
  },
  {
    id: 'F3',
    title: 'hard links and set-user-id bits in an archive',
    claim: 'Out of a bottle come plain files, without rights beyond reading, writing and running.',
    attack: 'copies out a tree with hard links and set-user-id programs',
    defence: 'an extractor that makes each file itself',
    control: 'the archiver of this machine keeps the links and the bits',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      await bottle.run(['sh', '-c', PLANT]);
      const control = await directory(bench, 'f3-control');
      await untar(bottle, '/tmp', 'tree', control);
      const kept = await lstat(path.join(control, 'tree/program')).catch(() => undefined);
      trial.control('the archiver keeps bits', ((kept?.mode ?? 0) & 0o6000) !== 0, (kept?.mode ?? 0).toString(8));
      trial.control('the archiver keeps hard links', (await kindsBelow(control)).includes('hard link'), await kindsBelow(control));
      const out = await directory(bench, 'f3');
      const said = await copyOut(bench, bottle, '/tmp/tree', path.join(out, 'tree'));
      trial.attack('bits come out', ((await lstat(path.join(out, 'tree/program'))).mode & 0o7000) !== 0, said);
      trial.attack('hard links come out', (await kindsBelow(out)).includes('hard link'));
    },
  },
  {
    id: 'F4',
    title: 'the copying as a confused deputy',
    claim: 'A copy reads the files of the bottle, never those of the host.',
    attack: 'names the file of the host through `/proc`, links and `..`',
    defence: 'the files are read in the bottle, by a program of the bottle',
    control: 'the same path below `/proc` reads the file outside of the bottle',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      const canary = path.join(await directory(bench, 'f4'), 'canary');
      await writeFile(canary, 'of the host');
      trial.control('outside', (await readFile(`/proc/self/root${canary}`, 'utf8')) === 'of the host');
      await bottle.run(['sh', '-c', 'ln -s /proc/1/root /tmp/root']);
      for (const [index, from] of [
        `/proc/1/root${canary}`,
        `/proc/self/root${canary}`,
        `/tmp/root${canary}`,
        `/tmp/../..${canary}`,
        canary,
      ].entries()) {
        const to = path.join(path.dirname(canary), `out${index}`);
        const said = await copyOut(bench, bottle, from, to);
        trial.attack(from.replace(canary, '/…'), (await kindAt(to)) !== 'nothing', said);
      }
    },
  },
  {
    id: 'F5',
    title: 'rights of files of the host through links',
    claim: 'Nothing that terok does with the files of a bottle changes owner or rights of a file of the host.',
    attack: 'plants links to a file of the host everywhere, and lets terok copy, stop, start and remove',
    defence: 'no command changes owner or rights of a tree',
    control: 'changing the rights through a link does change those of the file',
    async run(trial, bench) {
      const canary = path.join(await directory(bench, 'f5'), 'canary');
      await writeFile(canary, 'x', { mode: 0o640 });
      const link = `${canary}-link`;
      await symlink(canary, link);
      await chmod(link, 0o604);
      trial.control('through a link', ((await lstat(canary)).mode & 0o777) === 0o604);
      await chmod(canary, 0o640);
      const bottle = await bench.bottle();
      await bottle.run(['sh', '-c', 'mkdir -p /tmp/t && for d in /tmp/t /work/* "$HOME"; do ln -s "$1" "$d/link"; done', 'sh', canary]);
      await copyOut(bench, bottle, '/tmp/t', path.join(path.dirname(canary), 'out'));
      await bench.terok.stop(bottle.slug);
      await bench.terok.start(bottle.slug);
      await bottle.remove();
      const { mode, uid } = await lstat(canary);
      trial.attack('its rights changed', (mode & 0o777) !== 0o640 || uid !== process.getuid?.(), (mode & 0o777).toString(8));
    },
  },
  {
    id: 'F6',
    title: 'files that run when they are opened, built or entered',
    claim: 'Files that would run on this machine are listed before they land, and do not land unasked.',
    attack: 'copies out one file of every kind of the catalogue, with nobody to ask',
    defence: 'a check by the name that the file gets, before it gets it',
    control: 'the same files land where a person accepts them',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      const names = FILE_KINDS.filter(({ when }) => when !== 'ci').map(({ examples }) => examples[0] ?? '');
      await bottle.run(['sh', '-c', 'for f; do mkdir -p "/tmp/re/$(dirname "$f")" && echo x > "/tmp/re/$f"; done', 'sh', ...names]);
      const out = await directory(bench, 'f6');
      const landed: string[] = [];
      const copyUnasked = async (name: string): Promise<void> => {
        const hostPath = path.join(out, encodeURIComponent(name), name);
        await mkdir(path.dirname(hostPath), { recursive: true });
        await bench.terok.copy({ slug: bottle.slug, direction: 'out', bottlePath: `/tmp/re/${name}`, hostPath }).catch(() => undefined);
        if ((await kindAt(hostPath)) !== 'nothing') landed.push(name);
      };
      for (let at = 0; at < names.length; at += AT_ONCE) await Promise.all(names.slice(at, at + AT_ONCE).map(copyUnasked));
      trial.attack(`${names.length} kinds unasked`, landed.length > 0, landed);
      await copyOut(bench, bottle, '/tmp/re', path.join(out, 'accepted'));
      const arrived = await Promise.all(names.map((name) => kindAt(path.join(out, 'accepted', name))));
      trial.control(
        'accepted, they land',
        names.length >= 60 && arrived.every((kind) => kind === 'file'),
        names.filter((_, index) => arrived[index] !== 'file'),
      );
    },
  },
  {
    id: 'F7',
    title: 'fifos, sockets and devices that hang whoever opens them',
    claim: 'Only regular files and directories leave a bottle, and a copy ends.',
    attack: 'copies out a tree with a fifo and a socket, and a fifo alone',
    defence: 'what is neither file nor directory is listed and left',
    control: 'the archiver of this machine makes the fifo',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      await bottle.run(['sh', '-c', PLANT]);
      const control = await directory(bench, 'f7-control');
      await untar(bottle, '/tmp', 'tree', control);
      trial.control('the archiver makes it', (await kindAt(path.join(control, 'tree/fifo'))) === 'special');
      const out = await directory(bench, 'f7');
      const said = await copyOut(bench, bottle, '/tmp/tree', path.join(out, 'tree'));
      trial.attack(
        'special files come out',
        (await kindsBelow(out)).some((kind) => kind === 'special' || kind === 'link'),
        said,
      );
      await copyOut(bench, bottle, '/tmp/tree/fifo', path.join(out, 'fifo'));
      trial.attack('a fifo alone comes out', (await kindAt(path.join(out, 'fifo'))) !== 'nothing');
    },
  },
  {
    id: 'F8',
    title: 'a file that fills the disk',
    claim: 'A copy has a limit, and leaves nothing where it is reached.',
    attack: 'copies out a file of 3 GiB of nothing',
    defence: 'a limit that is checked before a byte is written',
    control: 'in the bottle it has that size, and a small file comes out',
    async run(trial, bench) {
      const bottle = await bench.bottle();
      await bottle.run(['sh', '-c', 'truncate --size "$1" /tmp/sparse && echo x > /tmp/small', 'sh', String(3 * GIB)]);
      const { stdout } = await bottle.run(['stat', '-c', '%s', '/tmp/sparse']);
      trial.control('its size in the bottle', Number(stdout) === 3 * GIB, stdout);
      const out = await directory(bench, 'f8');
      await copyOut(bench, bottle, '/tmp/small', path.join(out, 'small'));
      trial.control('a small file', (await kindAt(path.join(out, 'small'))) === 'file');
      const said = await copyOut(bench, bottle, '/tmp/sparse', path.join(out, 'sparse'));
      trial.attack('3 GiB come out', (await readdir(out)).length !== 1, said);
    },
  },
  {
    id: 'F9',
    title: 'a directory that is swapped for a link while files come back',
    claim: 'Work that returns to a directory without git stays in that directory.',
    attack: 'replaces a directory of the target by a link to another place before the work is applied',
    defence: 'every directory on the way is looked at without following, before anything is written',
    control: 'a plain write goes through the link',
    async run(trial, bench) {
      const source = await directory(bench, 'f9');
      const outside = await directory(bench, 'f9-outside');
      await mkdir(path.join(source, 'sub'));
      await writeFile(path.join(source, 'sub/a.txt'), 'a\n');
      const bottle = await bench.bottle({ source });
      const said = await bottle.run([
        'sh',
        '-c',
        'cd /work/* && echo evil > sub/a.txt && echo evil > sub/b.txt && git add -A && git commit -qm x && git push -q origin HEAD',
      ]);
      await rm(path.join(source, 'sub'), { recursive: true });
      await symlink(outside, path.join(source, 'sub'));
      await writeFile(path.join(source, 'sub/control'), 'x');
      trial.control('a plain write', (await readdir(outside)).includes('control'), said);
      const { digest } = await bench.terok.reviews.open(bottle.slug);
      const refusal = await bench.terok.apply(bottle.slug, { approve: digest }).then(() => 'applied', messageOf);
      trial.attack(
        'the work went through the link',
        (await readdir(outside)).some((name) => name !== 'control'),
        refusal,
      );
    },
  },
];
