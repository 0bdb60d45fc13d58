/** What git takes along or fetches unasked: credentials of the upstream, missing objects, objects of Git LFS. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { inspect } from 'node:util';
import type { RedBench, RedBottle } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import type { Trial } from '../../trial.ts';
import { attackAll } from '../attack-all.ts';
import { pushFiles } from '../host-commands.ts';
import { PoisonedRepository } from '../poisoned.ts';
import { FAILURES, TellingUpstream } from '../telling-upstream.ts';

/** All files, environments and command lines. The value comes in on stdin: as an argument it would be found where the search itself is. */
const SEARCH = `word=$(cat)
for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do printf %s "$word" | grep -qaFs -f - "$file" && echo "$file"; done
printf %s "$word" | grep -rlaFs --devices=skip --exclude-dir=proc --exclude-dir=sys -f - /`;

/** Puts a value where a careless tool would: the address of a remote, a log of refs, a file and the environment of a program. */
const SPILL = `word=$(cat); cd /work/* && git remote add leak "https://x:$word@git.example.test/x"
git update-ref --create-reflog -m "fetch https://x:$word@git.example.test/x" refs/heads/leak HEAD
printf %s "$word" > /var/tmp/leak`;
const SPILL_INTO_PROGRAM = 'word=$(cat); LEAK=$word sleep 90 > /dev/null 2>&1 & sleep 0.2';
const SPILLED = ['.git/config', '.git/logs/refs/heads/leak', '/var/tmp/leak', '/environ'];

async function search(bottle: RedBottle, word: string): Promise<string> {
  return (await bottle.run(['sh', '-c', SEARCH], { user: 'root', input: word, timeoutMs: 120_000 })).stdout.trim();
}

/** Files of a directory that hold one of the values, those of the vault aside. */
async function filesWith(directory: string, values: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isFile() || file.split(path.sep).includes('secrets')) continue;
    const content = await readFile(file);
    if (values.some((value) => content.includes(value))) found.push(file);
  }
  return found;
}

const outcome = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    (value) => inspect(value, { depth: 8 }),
    (error: unknown) => inspect(error, { depth: 8 }),
  );

/** Lets every command that speaks to the upstream fail in every way; gives all that terok and git said. */
async function failEachWay(bench: RedBench, upstream: TellingUpstream, source: string, bottle: RedBottle): Promise<string> {
  const said: string[] = [await pushFiles(bottle, ['made.txt', 'x'])];
  const { digest } = await bench.terok.reviews.open(bottle.slug);
  for (const failure of FAILURES) {
    upstream.failure = failure;
    said.push(await outcome(bench.terok.git.sync(source)), await outcome(bench.terok.push(bottle.slug, { approve: digest })));
  }
  const ask =
    'cd /work/* && git config --list; git push origin HEAD:refs/heads/main 2>&1; git fetch 2>&1; git ls-remote origin 2>&1; git reflog --all';
  said.push((await bottle.run(['sh', '-c', ask])).stdout);
  said.push(await outcome(bench.terok.git.upstream(source)), await outcome(bench.terok.status(bottle.slug)));
  return said.join('\n');
}

const PROMISOR = (program: string): Readonly<Record<string, string>> => ({
  'core.repositoryFormatVersion': '1',
  'extensions.partialClone': 'side',
  'remote.side.promisor': 'true',
  'remote.side.partialCloneFilter': 'blob:none',
  'remote.side.uploadpack': program,
});

async function promise(poisoned: PoisonedRepository, revision: string): Promise<string> {
  for (const [key, value] of Object.entries(PROMISOR(await poisoned.program('lazy')))) await poisoned.must(['config', key, value]);
  const id = (await poisoned.git(['rev-parse', revision])).stdout.toString('utf8').trim();
  await rm(path.join(poisoned.source, '.git/objects', id.slice(0, 2), id.slice(2)));
  await poisoned.takeMarks();
  return id;
}

/** A listener that counts who comes. */
async function listen(bench: RedBench): Promise<{ readonly url: string; readonly count: () => number }> {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bench.defer(() => server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/team/shop`, count: () => count };
}

const LFS_OID = 'a'.repeat(64);
const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${LFS_OID}\nsize 12\n`;
const BATCH = JSON.stringify({ operation: 'download', transfers: ['basic'], objects: [{ oid: LFS_OID, size: 12 }] });

/** A file of LFS whose object is elsewhere, with drivers and addresses that would bring it. */
async function plantLfs(poisoned: PoisonedRepository, url: string): Promise<void> {
  await writeFile(path.join(poisoned.source, '.gitattributes'), '*.bin filter=lfs diff=lfs merge=lfs\n');
  await writeFile(path.join(poisoned.source, '.lfsconfig'), `[lfs]\n\turl = ${url}\n`);
  await writeFile(path.join(poisoned.source, 'big.bin'), POINTER);
  await poisoned.must(['add', '--all']);
  await poisoned.must(['commit', '-qm', 'LFS']);
  const program = await poisoned.program('lfs');
  for (const key of ['filter.lfs.clean', 'filter.lfs.smudge', 'filter.lfs.process', 'diff.lfs.textconv', 'merge.lfs.driver'])
    await poisoned.must(['config', key, program]);
  for (const [key, value] of Object.entries({
    'lfs.url': url,
    'lfs.standaloneTransferAgent': 'evil',
    'lfs.customTransfer.evil.path': program,
  }))
    await poisoned.must(['config', key, value]);
  await poisoned.takeMarks();
}

async function tryLfs(trial: Trial, bench: RedBench, poisoned: PoisonedRepository): Promise<void> {
  const server = await listen(bench);
  await plantLfs(poisoned, server.url);
  await rm(path.join(poisoned.source, 'big.bin'));
  await poisoned.git(['checkout', '-f', '--', 'big.bin']);
  const ran = await poisoned.takeMarks();
  trial.control('git checkout runs the driver of LFS', ran.includes('lfs'), ran);
  await poisoned.git(['ls-remote', server.url]);
  const before = server.count();
  trial.control('the server sees who comes', before > 0);
  await attackAll(trial, bench, poisoned);
  const bottle = await bench.bottle({ source: poisoned.source });
  const post = `curl -s --noproxy '*' -H 'Content-Type: application/vnd.git-lfs+json' --data-binary @- http://gate.terok.internal/repo.git/info/lfs/objects/batch`;
  const { stdout } = await bottle.run(['sh', '-c', post], { input: BATCH });
  trial.control('the gate answers for objects of LFS', stdout.includes(LFS_OID), stdout);
  trial.attack('the gate offers an object that is elsewhere', stdout.includes('"href"'), stdout);
  trial.attack('something asks the server of LFS', server.count() > before, server.count() - before);
}

export const LEAK_ROWS: readonly Row[] = [
  {
    id: 'G15',
    title: 'the credential of the upstream in an address, a log, a file, an environment or a message',
    claim: 'The credential of the upstream is nowhere in a bottle, in the records of its task, or in what terok and git say.',
    attack:
      'lets an upstream fail in four ways and repeat the credential in each answer; then searches all files and programs of the bottle, the state of terok, and all that was said',
    defence:
      'the bottle knows the gate alone; git of the host reads the credential from a descriptor, and what an upstream says is not repeated',
    control: 'the upstream gets the credential; the same searches find a value that was left in each of these places',
    async run(trial, bench) {
      const value = `red-${randomBytes(12).toString('hex')}-token`;
      const { source } = await PoisonedRepository.create(bench);
      const upstream = await TellingUpstream.open(bench);
      await bench.terok.secrets.set('redteam-upstream', value);
      await bench.terok.git.setUpstream(source, { url: upstream.url, secret: 'redteam-upstream' });
      const bottle = await bench.bottle({ source });
      const said = await failEachWay(bench, upstream, source, bottle);
      const values = [value, ...[...upstream.credentials].map((header) => header.split(' ')[1] ?? '')];
      trial.control('the upstream gets the credential', values.length > 1, { ways: FAILURES });
      const planted = `red-${randomBytes(12).toString('hex')}-planted`;
      await bottle.run(['sh', '-c', SPILL], { input: planted });
      await bottle.run(['sh', '-c', SPILL_INTO_PROGRAM], { user: 'root', input: planted });
      const spilled = await search(bottle, planted);
      trial.control(
        'the search in the bottle',
        SPILLED.every((place) => spilled.includes(place)),
        spilled,
      );
      for (const [index, one] of values.entries()) {
        const found = await search(bottle, one);
        trial.attack(`it is in the bottle (form ${index + 1})`, found !== '', found);
      }
      const repeated = said.split('\n').filter((line) => values.some((one) => line.includes(one)));
      trial.attack('terok or git says it', repeated.length > 0, repeated);
      await writeFile(path.join(bottle.stateDirectory, 'leak.log'), planted);
      const places = [bench.paths.state, bench.paths.data, bench.paths.config];
      const below = async (words: readonly string[]): Promise<readonly string[]> =>
        (await Promise.all(places.map((place) => filesWith(place, words)))).flat();
      trial.control('the search in the records', (await below([planted])).length > 0);
      const kept = await below(values);
      trial.attack('a record or a log holds it', kept.length > 0, kept);
    },
  },
  {
    id: 'G17',
    title: 'objects that git fetches when it misses them, and those of Git LFS',
    claim: 'git on the host fetches nothing because an object is missing, and no driver or server of LFS takes part.',
    attack:
      'removes objects, of the branch that is cloned and of another one, names a remote that promises them, reached by a program; names drivers and a server for a file of LFS',
    defence: '`GIT_NO_LAZY_FETCH`, repositories of terok with a configuration of its own, and a gate that gives what is on this machine',
    control: 'git asks the remote for the object and runs the program; it runs the driver of LFS; the server sees who comes',
    async run(trial, bench) {
      const whole = await PoisonedRepository.create(bench);
      await promise(whole, 'main:a.txt');
      const refusal = await outcome(bench.bottle({ source: whole.source }));
      trial.attack('terok run, an object of its branch is missing', (await whole.takeMarks()).length > 0, refusal);
      const poisoned = await PoisonedRepository.create(bench);
      const id = await promise(poisoned, 'other:a.txt');
      await poisoned.git(['cat-file', '-p', id]);
      const marks = await poisoned.takeMarks();
      trial.control('git reads the object', marks.includes('lazy'), marks);
      await tryLfs(trial, bench, poisoned);
    },
  },
];
