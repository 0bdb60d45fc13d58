/** Where git goes for objects, and what it takes along: transports, lazy fetches, credentials, and a repository that is exchanged. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../../core/index.ts';
import type { RedBench } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import { attackAll } from '../attack-all.ts';
import { pushFiles } from '../host-commands.ts';
import { PoisonedRepository } from '../poisoned.ts';

/** The program of an address must end at once: git waits for its answer */
const UPSTREAMS = (program: string): readonly string[] => [
  `ext::${program}`,
  `ssh://-oProxyCommand=${program}/x`,
  `file://${program}`,
  program,
  `git@-oProxyCommand=${program}:x`,
];

/** What an agent does that wants another repository where its own was. The words are the name of a hook and a program of the host. */
const EXCHANGE = `mv .git x && cp -r x .git && mkdir -p .git/hooks && printf '#!/bin/sh\n%s </dev/null\n' "$2" > .git/hooks/$1 && chmod +x .git/hooks/$1 && git config core.hooksPath .git/hooks && git config core.fsmonitor "$2"`;

/** The value comes in on stdin: as an argument it would be found where the command itself is kept. */
const SECRET_SEARCH = `word=$(cat)
for file in /proc/[0-9]*/environ; do grep -qaF -- "$word" "$file" 2>/dev/null && echo "$file"; done
grep -rlaF -- "$word" /work /home /root /tmp /etc /run /var 2>/dev/null`;

/** Files of a directory that hold a value, those of the vault aside. */
async function filesWith(directory: string, value: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile() && !file.split(path.sep).includes('secrets') && (await readFile(file)).includes(value)) found.push(file);
  }
  return found;
}

async function tryUpstreams(bench: RedBench, poisoned: PoisonedRepository, url: string): Promise<string> {
  const { git } = bench.terok;
  return await git
    .setUpstream(poisoned.source, { url, hostKeys: [], useAgent: false })
    .then(async () => await git.sync(poisoned.source))
    .then(() => 'synchronised', messageOf);
}

export const TRANSPORT_ROWS: readonly Row[] = [
  {
    id: 'G5',
    title: 'a repository that takes the place of another one: `mv .git x && cp -r x .git`',
    claim: 'What an agent does to the repository of its clone stays in the bottle.',
    attack: 'exchanges `.git` in the bottle for a copy with a hook and a monitor, commits and pushes; then every step to the user runs',
    defence: 'a clone in each bottle; no directory of the user is mounted there',
    control: 'the same exchange in a directory that both can write runs the program with the next commit of the user',
    async run(trial, bench) {
      const shared = await PoisonedRepository.create(bench);
      const program = await shared.program('exchanged');
      await shared.shell(EXCHANGE, 'pre-commit', program);
      await shared.takeMarks();
      await shared.git(['commit', '--allow-empty', '-m', 'x']);
      const marks = await shared.takeMarks();
      trial.control('a commit in the shared directory', marks.length > 0, marks);
      const own = await PoisonedRepository.create(bench);
      await own.must(['checkout', '-qf', 'main']);
      const bottle = await bench.bottle({ source: own.source });
      const script = `cd /work/* && ${EXCHANGE}`;
      const done = await bottle.run(['sh', '-c', script, 'sh', 'pre-commit', await own.program('exchanged')]);
      trial.control('the exchange in the bottle', done.code === 0, done.stderr);
      await bottle.run(['sh', '-c', 'cd /work/* && git config --unset core.hooksPath; git config --unset core.fsmonitor']);
      await own.takeMarks();
      const said = await pushFiles(bottle, ['made.txt', 'x']);
      const { digest } = await bench.terok.reviews.open(bottle.slug);
      await bench.terok.apply(bottle.slug, { approve: digest });
      await own.git(['commit', '--allow-empty', '-m', 'x']);
      await own.git(['status']);
      const ran = await own.takeMarks();
      trial.attack('a program of the copy runs on the host', ran.length > 0, { ran, said });
    },
  },
  {
    id: 'G6',
    title: 'transports that are programs: `ext::`, `insteadOf`, options as hosts',
    claim: 'git on the host speaks to the upstream that was checked, by SSH or HTTPS, and to nothing that a repository names.',
    attack: 'rewrites addresses in the repository of the user, and asks for upstreams that name a program',
    defence: 'a short list of schemes, no configuration of the repository, and `protocol.allow=never`',
    control: 'git fetches by the rewritten address and runs the program',
    async run(trial, bench) {
      const poisoned = await PoisonedRepository.create(bench);
      const program = await poisoned.program('transport');
      await poisoned.must(['config', 'protocol.ext.allow', 'always']);
      await poisoned.must(['config', `url.ext::${program} .insteadOf`, poisoned.root]);
      await poisoned.must(['config', `url.ext::${program} .pushInsteadOf`, poisoned.root]);
      await poisoned.git(['fetch', 'side']);
      const marks = await poisoned.takeMarks();
      trial.control('git fetch', marks.includes('transport'), marks);
      await attackAll(trial, bench, poisoned);
      for (const url of UPSTREAMS(program)) {
        const said = await tryUpstreams(bench, poisoned, url);
        const ran = await poisoned.takeMarks();
        trial.attack(`the upstream ${url.replaceAll(program, '…')}`, ran.length > 0 || said === 'synchronised', said);
      }
    },
  },
  {
    id: 'G15',
    title: 'the credential of the upstream in an address, a file or a message',
    claim: 'The credential of the upstream is nowhere in a bottle, in the records of its task, or in what terok says.',
    attack: 'searches the bottle, the state of terok and its errors for the value',
    defence: 'the bottle knows the gate alone; git of the host reads the credential from a descriptor',
    control: 'the same search finds a value in an address of a remote',
    async run(trial, bench) {
      const value = `red-${randomBytes(12).toString('hex')}-token`;
      const { source } = await PoisonedRepository.create(bench);
      await bench.terok.secrets.set('redteam-upstream', value);
      const url = 'http://127.0.0.1:9/team/shop.git';
      await bench.terok.git.setUpstream(source, { url, secret: 'redteam-upstream' });
      const said = [await bench.terok.git.sync(source).then(() => 'synchronised', messageOf)];
      const bottle = await bench.bottle({ source });
      said.push(await pushFiles(bottle, ['made.txt', 'x']));
      const { stdout: config } = await bottle.run([
        'sh',
        '-c',
        'cd /work/* && git config --list; git push origin HEAD:refs/heads/main 2>&1',
      ]);
      said.push(config, JSON.stringify(await bench.terok.git.upstream(source)), JSON.stringify(await bench.terok.status(bottle.slug)));
      const search = async (word: string): Promise<string> =>
        (await bottle.run(['sh', '-c', SECRET_SEARCH], { user: 'root', input: word })).stdout.trim();
      const planted = `red-${randomBytes(12).toString('hex')}-planted`;
      await bottle.run(['sh', '-c', 'cd /work/* && git remote add leak "https://x:$1@git.example.test/x"', 'sh', planted]);
      trial.control('the search in the bottle', (await search(planted)).includes('.git/config'));
      const found = await search(value);
      trial.attack('it is in the bottle', found !== '', found);
      trial.attack('terok or git says it', said.join('\n').includes(value));
      const kept = [...(await filesWith(bench.paths.state, value)), ...(await filesWith(bench.paths.data, value))];
      trial.attack('a record holds it', kept.length > 0, kept);
    },
  },
  {
    id: 'G17',
    title: 'objects that git fetches when it misses them',
    claim: 'git on the host fetches nothing because an object is missing.',
    attack: 'removes an object and names a remote that promises it, reached by a program',
    defence: '`GIT_NO_LAZY_FETCH`, and repositories of terok with a configuration of its own',
    control: '`git log -p` asks the remote for the object and runs the program',
    async run(trial, bench) {
      const poisoned = await PoisonedRepository.create(bench);
      const program = await poisoned.program('lazy');
      const settings = {
        'core.repositoryFormatVersion': '1',
        'extensions.partialClone': 'side',
        'remote.side.promisor': 'true',
        'remote.side.partialCloneFilter': 'blob:none',
        'remote.side.uploadpack': program,
      };
      for (const [key, value] of Object.entries(settings)) await poisoned.must(['config', key, value]);
      const id = (await poisoned.git(['rev-parse', 'main:a.txt'])).stdout.toString('utf8').trim();
      await rm(path.join(poisoned.source, '.git/objects', id.slice(0, 2), id.slice(2)));
      await poisoned.takeMarks();
      await poisoned.git(['cat-file', '-p', id]);
      const marks = await poisoned.takeMarks();
      trial.control('git reads the object', marks.includes('lazy'), marks);
      await attackAll(trial, bench, poisoned);
    },
  },
];
