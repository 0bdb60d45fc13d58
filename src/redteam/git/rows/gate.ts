/** What a push can bring into the gate, and which refs it can reach. */
import { randomBytes } from 'node:crypto';
import type { RedBench, RedBottle } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import { PoisonedRepository } from '../poisoned.ts';

/** A bottle with a clone of its own, and beside it a bare repository that takes everything: the control of every row here. */
async function work(bench: RedBench): Promise<RedBottle> {
  const { source } = await PoisonedRepository.create(bench);
  const bottle = await bench.bottle({ source });
  await bottle.run(['sh', '-c', 'git init -q --bare /tmp/control.git']);
  return bottle;
}

interface Pushed {
  /** The repository without a gate took it */
  readonly control: boolean;
  readonly taken: boolean;
  /** What the pusher was told */
  readonly said: string;
}

/** Runs a script in the clone, then pushes what it left to both. `$1`… are the words. */
async function push(bottle: RedBottle, script: string, ...words: readonly string[]): Promise<Pushed> {
  const whole = `cd /work/* || exit 1
git checkout -q -B attempt origin/HEAD
${script}
git push -q --force /tmp/control.git HEAD:refs/heads/x >/dev/null 2>&1 && echo control
git push origin HEAD:$(git for-each-ref --format='%(refname)' 'refs/remotes/origin/terok/*' | sed 's,refs/remotes/origin,refs/heads,' | head -1) 2>&1 && echo taken`;
  const { stdout } = await bottle.run(['sh', '-c', whole, 'sh', ...words]);
  const lines = stdout.split('\n');
  return { control: lines.includes('control'), taken: lines.includes('taken'), said: stdout.slice(-1_500) };
}

/** Name of the attempt, script, and what the pusher must be told */
type Attempt = readonly [name: string, script: string, told: RegExp];

const SUBMODULES: readonly Attempt[] = [
  [
    '`.gitmodules` with a program as update',
    `printf '[submodule "a"]\\n\\tpath = a\\n\\turl = ./a\\n\\tupdate = !id\\n' > .gitmodules; git add .gitmodules; git commit -qm m`,
    /./,
  ],
  [
    '`.gitmodules` with an option as address',
    `printf '[submodule "a"]\\n\\tpath = a\\n\\turl = -u./payload\\n' > .gitmodules; git add .gitmodules; git commit -qm m`,
    /./,
  ],
  [
    '`.gitmodules` that looks plain',
    `printf '[submodule "a"]\\n\\tpath = a\\n\\turl = https://example.test/a\\n' > .gitmodules; git add .gitmodules; git commit -qm m`,
    /which other repositories git fetches/,
  ],
  [
    'a commit of another repository in the tree',
    `git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub; git commit -qm m`,
    /commit of another repository/,
  ],
];

const EMBEDDED: readonly Attempt[] = [
  [
    'a bare repository below a directory',
    'git init -q --bare v/x; touch v/x/objects/k v/x/refs/k; git add -f v; git commit -qm m',
    /bare git repository/,
  ],
  [
    'a directory with `commondir`',
    'mkdir w; echo ref: refs/heads/a > w/HEAD; echo ../x > w/commondir; git add -f w; git commit -qm m',
    /bare git repository/,
  ],
];

/** Small on the wire, large or malformed where they are unpacked */
const PACKS: readonly Attempt[] = [
  [
    'a message of 9 MB that compresses to nothing',
    `git reset -q --hard "$(head -c 9000000 /dev/zero | tr '\\0' a | git commit-tree -p HEAD 'HEAD^{tree}')"`,
    /./,
  ],
  ['a file of 200 MB of nothing', 'truncate -s 200000000 z; git add z; git commit -qm m', /./],
  [
    'a commit without an author',
    `git commit -q --allow-empty -m m
git update-ref HEAD "$(git cat-file commit HEAD | sed 's/^author .*/author nobody/' | git hash-object -t commit -w --stdin --literally)"`,
    /missingEmail/,
  ],
];

async function tryAll(
  trial: Parameters<Extract<Row['run'], (...args: never) => unknown>>[0],
  bottle: RedBottle,
  attempts: readonly Attempt[],
): Promise<void> {
  for (const [name, script, told] of attempts) {
    const { control, taken, said } = await push(bottle, script);
    trial.control(`a repository without a gate takes ${name}`, control, said);
    trial.attack(`the gate takes ${name}`, taken, said);
    trial.attack(`the pusher is not told about ${name}`, !told.test(said), said);
  }
}

export const GATE_ROWS: readonly Row[] = [
  {
    id: 'G8',
    title: 'submodules that fetch or run something',
    claim: 'No new submodule gets into the gate unless the user allows it.',
    attack: 'pushes `.gitmodules` with hostile and with plain content, and a commit of another repository in a tree',
    defence: "git's own checks of objects, and the rule `submodules` of the scan",
    control: 'a bare repository without either takes the same commits',
    run: async (trial, bench) => await tryAll(trial, await work(bench), SUBMODULES),
  },
  {
    id: 'G9',
    title: 'repositories that are delivered as files',
    claim: 'No directory that git would take for a repository gets into the gate.',
    attack: 'pushes bare repositories in sub-directories',
    defence: 'the rule `embeddedRepositories` of the scan',
    control: 'a bare repository without it takes the same commits',
    run: async (trial, bench) => await tryAll(trial, await work(bench), EMBEDDED),
  },
  {
    id: 'G10',
    title: 'a secret where nobody looks: an older commit, a message, a name, another encoding',
    claim: 'No value of the vault gets into the gate, in whichever object it lies.',
    attack: 'knows a stored value and pushes it in many places',
    defence: 'the scan of every new object in quarantine',
    control: 'a bare repository without it takes the same commits',
    async run(trial, bench) {
      const value = `red-${randomBytes(12).toString('hex')}-team`;
      await bench.terok.secrets.set('redteam-gate', value);
      const bottle = await work(bench);
      const attempts: readonly (readonly [string, string])[] = [
        ['an older commit', 'printf %s "$1" > s; git add s; git commit -qm a; git rm -q s; git commit -qm b'],
        ['a message', 'git commit -q --allow-empty -m "$1"'],
        ['the name of a file', 'echo x > "$1"; git add .; git commit -qm a'],
        ['base64', 'printf "xy%s" "$1" | base64 > s; git add s; git commit -qm a'],
        [
          'a binary file',
          'head -c 200000 /dev/urandom > s; printf %s "$1" >> s; head -c 200000 /dev/urandom >> s; git add s; git commit -qm a',
        ],
      ];
      for (const [name, script] of attempts) {
        const { control, taken, said } = await push(bottle, script, value);
        trial.control(`a repository without a gate takes it in ${name}`, control, said.replaceAll(value, '…'));
        trial.attack(`the gate takes it in ${name}`, taken, said.replaceAll(value, '…'));
        trial.attack(
          `what the pusher is told holds it (${name})`,
          /remote:/.test(said) && name !== 'the name of a file' && said.includes(value),
        );
      }
    },
  },
  {
    id: 'G12',
    title: 'packs that are small on the wire, and large or malformed when they are unpacked',
    claim: 'A push that is above a limit or malformed is refused with a reason, and the next push is served.',
    attack: 'pushes a message and a file of highly compressed nothing, and a commit without an author',
    defence: "limits on unpacked objects and files, git's own checks, and a jail around what unpacks",
    control: 'a bare repository without them takes the same commits',
    async run(trial, bench) {
      const bottle = await work(bench);
      await tryAll(trial, bottle, PACKS);
      const after = await push(bottle, 'git update-ref HEAD origin/HEAD && git reset -q --hard && git commit -q --allow-empty -m after');
      trial.attack('the gate serves no more', !after.taken, after.said);
    },
  },
  {
    id: 'G16',
    title: 'refs that are not of the task',
    claim: 'A task writes its own branch and notes and nothing else, and what it overwrites is kept.',
    attack: 'pushes to other branches, tags, notes, `refs/terok`, `refs/replace`, and deletes branches',
    defence: 'a list of what may be written, asked before anything of the push is kept',
    control: 'a bare repository without the list takes the same refs',
    async run(trial, bench) {
      const bottle = await work(bench);
      // Another commit than those that the refs have: git sends nothing where nothing would change
      await bottle.run(['sh', '-c', 'cd /work/* && git commit -q --allow-empty -m Attempt']);
      for (const ref of [
        'refs/heads/main',
        'refs/heads/terok/other',
        'refs/tags/v1',
        'refs/notes/commits',
        'refs/terok/base',
        'refs/replace/1',
      ])
        for (const change of [`HEAD:${ref}`, `:${ref}`]) {
          const script =
            'cd /work/*; git push -q -f /tmp/control.git "HEAD:$1" 2>/dev/null && echo control; git push -f origin "$2" 2>&1 && echo taken';
          const { stdout } = await bottle.run(['sh', '-c', script, 'sh', ref, change]);
          trial.control(`a repository without a gate takes ${ref}`, /^control$/m.test(stdout), stdout);
          trial.attack(`the gate takes ${change}`, /^taken$/m.test(stdout), stdout);
        }
    },
  },
];
