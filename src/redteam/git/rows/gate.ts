/** What a push can bring into the gate, and which refs it can reach. */
import { randomBytes } from 'node:crypto';
import type { Row } from '../../row.ts';
import { type Attempt, push, tryAll, work } from '../gate-work.ts';

/** Commits a `.gitmodules` with one submodule of this name and these settings, as `printf` takes them. */
const submodule = (name: string, ...settings: readonly string[]): string =>
  `printf '[submodule "${name}"]\\n${settings.map((setting) => `\\t${setting}\\n`).join('')}' > .gitmodules; git add .gitmodules; git commit -qm m`;

const SUBMODULES: readonly Attempt[] = [
  ['`.gitmodules` with a program as update', submodule('a', 'path = a', 'url = ./a', 'update = !id'), /./],
  ['`.gitmodules` with an option as address', submodule('a', 'path = a', 'url = -u./payload'), /./],
  ['`.gitmodules` that looks plain', submodule('a', 'path = a', 'url = https://example.test/a'), /which other repositories git fetches/],
  ['`.gitmodules` with a name that leads out of the repository (CVE-2018-11235)', submodule('../../hooks', 'path = a', 'url = ./a'), /./],
  ['`.gitmodules` with a path that ends in a carriage return (CVE-2025-48384)', submodule('a', 'path = "a\\r"', 'url = ./a'), /./],
  [
    'a link to `.git` and a submodule below its name in capitals (CVE-2024-32002)',
    `ln -s .git a; git add a; git update-index --add --cacheinfo "160000,$(git rev-parse HEAD),A/modules/x"; git commit -qm m`,
    /./,
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
    title: 'a secret where nobody looks: an older commit, a message, a name, a note, a tag, a second parent, another encoding',
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
      const add = 'printf %s "$1" > s; git add s; git commit -qm a';
      const places: readonly (readonly [string, string, readonly string[]])[] = [
        ['a note', 'git notes --ref "terok/$2" add -f -m "$1"', [`refs/notes/terok/${bottle.slug}`]],
        ['an annotated tag', 'git tag -fa -m "$1" v1', ['refs/tags/v1']],
        ['one of several branches', `git branch -f clean; ${add}`, ['clean:refs/heads/terok/$2.clean', 'HEAD:refs/heads/terok/$2.more']],
        [
          'the second parent of a merge',
          `${add}; git reset -q --hard HEAD~; git commit -q --allow-empty -m b; git merge -q -s ours -m c HEAD@{2}`,
          ['HEAD:refs/heads/terok/$2.merge'],
        ],
      ];
      for (const [name, script, refs] of places) {
        const words = refs.map((ref) => `"${ref.replace('$2', bottle.slug)}"`).join(' ');
        const whole = `cd /work/*; git checkout -q -B attempt origin/HEAD; ${script}
git push -q --force /tmp/control.git ${words} >/dev/null 2>&1 && echo control; git push origin ${words} 2>&1 && echo taken`;
        const { stdout } = await bottle.run(['sh', '-c', whole, 'sh', value, bottle.slug]);
        trial.control(`a repository without a gate takes it in ${name}`, /^control$/m.test(stdout), stdout.replaceAll(value, '…'));
        trial.attack(
          `the gate takes it in ${name}`,
          /^taken$|\[new (?:branch|reference|tag)\]/m.test(stdout),
          stdout.replaceAll(value, '…'),
        );
      }
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
