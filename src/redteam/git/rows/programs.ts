/** Programs that git runs because somebody wrote them into a repository. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RedBench } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import type { Trial } from '../../trial.ts';
import { attackAll } from '../attack-all.ts';
import { HOOK_NAMES, PLANTED_KEYS, type PlantedKey } from '../planted-keys.ts';
import { PoisonedRepository } from '../poisoned.ts';

const CLAIM = 'git on the host runs no program that a repository names, whoever wrote it there.';
const DEFENCE = 'plumbing on bare repositories that terok wrote, with an environment that overrides every setting that names a program';
const CONTROL = 'the commands that a person types run the planted programs';

/** Runs the control of one key on a repository of its own; gives whether git ran the program. */
async function firesAlone(bench: RedBench, planted: PlantedKey): Promise<boolean> {
  const repository = await PoisonedRepository.create(bench);
  await repository.touch();
  const settings = { ...planted.with, [planted.key]: planted.value(await repository.program(planted.key)) };
  for (const [key, value] of Object.entries(settings)) await repository.must(['config', key, value]);
  await repository.takeMarks();
  if (planted.control[0] === 'merge' || planted.control[0] === 'rebase')
    await repository.must(['-c', 'filter.evil.clean=', 'checkout', '-f', '--quiet', '.']);
  await repository.git(planted.control, planted.input);
  return (await repository.takeMarks()).includes(planted.key);
}

async function attackKeys(trial: Trial, bench: RedBench, keys: readonly PlantedKey[]): Promise<void> {
  const fired: string[] = [];
  const silent: string[] = [];
  for (const planted of keys) ((await firesAlone(bench, planted)) ? fired : silent).push(planted.key);
  trial.control(`git runs the programs of ${fired.length} settings`, fired.length >= keys.length / 2, {
    'not in this version': silent,
    fired,
  });
  const poisoned = await PoisonedRepository.create(bench);
  for (const { key, value, with: more = {} } of keys) {
    const settings = { ...more, [key]: value(await poisoned.program(key)) };
    for (const [name, text] of Object.entries(settings)) await poisoned.must(['config', name, text]);
  }
  await attackAll(trial, bench, poisoned);
}

const isDriver = ({ key }: PlantedKey): boolean => /^(?:filter|diff\.evil|merge|tar|trailer)\b/.test(key);

export const PROGRAM_ROWS: readonly Row[] = [
  {
    id: 'G1',
    title: 'hooks in the repository of the user',
    claim: CLAIM,
    attack: `plants ${HOOK_NAMES.length} hooks and runs every command of terok on the repository`,
    defence: DEFENCE,
    control: CONTROL,
    async run(trial, bench) {
      const control = await PoisonedRepository.create(bench);
      const poisoned = await PoisonedRepository.create(bench);
      for (const hook of HOOK_NAMES) {
        for (const one of [control, poisoned]) await one.plant(path.join(one.source, '.git/hooks', hook), hook);
      }
      await control.takeMarks();
      await control.touch();
      for (const args of [
        ['commit', '-qam', 'x'],
        ['checkout', '-q', 'side'],
        ['gc', '--auto'],
        ['push', '-q', 'side', 'HEAD:refs/heads/y'],
      ])
        await control.git(args);
      const marks = await control.takeMarks();
      trial.control(
        'commit, checkout and push',
        ['pre-commit', 'post-checkout', 'reference-transaction', 'pre-push'].every((hook) => marks.includes(hook)),
        marks,
      );
      await attackAll(trial, bench, poisoned);
    },
  },
  {
    id: 'G2',
    title: 'settings that name a program × commands of terok',
    claim: CLAIM,
    attack: 'plants a program for every such setting and runs every command of terok on the repository',
    defence: DEFENCE,
    control: CONTROL,
    run: async (trial, bench) =>
      await attackKeys(
        trial,
        bench,
        PLANTED_KEYS.filter((planted) => !isDriver(planted)),
      ),
  },
  {
    id: 'G3',
    title: 'drivers that attributes choose: clean, smudge, process, textconv, merge',
    claim: CLAIM,
    attack: 'plants drivers and attributes that use them, on files that look changed',
    defence: `${DEFENCE}; no command touches a work tree`,
    control: CONTROL,
    run: async (trial, bench) => await attackKeys(trial, bench, PLANTED_KEYS.filter(isDriver)),
  },
  {
    id: 'G4',
    title: 'the same through include, includeIf and the configuration of a work tree',
    claim: CLAIM,
    attack: 'plants `core.fsmonitor` and `core.hooksPath` in each further place that git reads',
    defence: DEFENCE,
    control: CONTROL,
    async run(trial, bench) {
      for (const [name, words] of Object.entries(SCOPES)) {
        const control = await poisonScope(bench, name, words);
        await control.git(['status']);
        const marks = await control.takeMarks();
        trial.control(`git status, ${name}`, marks.includes(name), marks);
        await attackAll(trial, bench, await poisonScope(bench, name, words));
      }
    },
  },
  {
    id: 'G7',
    title: 'programs with the names of values: `false`, `true`, `cat`',
    claim: 'A setting that turns a program off is never taken for the path of one.',
    attack: 'commits programs named `false`, `true`, `cat` and `/dev/null` to the top of the repository',
    defence: 'off is the empty value, and names are looked up in the search path alone',
    control: 'git runs `./false` where a version reads `core.fsmonitor=false` as a path',
    async run(trial, bench) {
      const poisoned = await PoisonedRepository.create(bench);
      for (const name of ['false', 'true', 'cat', 'dev/null', 'sh', 'git']) await poisoned.plant(path.join(poisoned.source, name), name);
      await poisoned.must(['add', '--all']);
      await poisoned.must(['commit', '-qm', 'Names']);
      await poisoned.takeMarks();
      await poisoned.git(['-c', 'core.fsmonitor=./false', 'status']);
      const marks = await poisoned.takeMarks();
      trial.control('git status with the path', marks.includes('false'), marks);
      await poisoned.git(['-c', 'core.fsmonitor=false', 'status']);
      const seen = (await poisoned.takeMarks()).includes('false')
        ? 'this git takes `false` for a path'
        : 'this git takes `false` for a value';
      await attackAll(trial, bench, poisoned);
      trial.control('a known version', true, seen);
    },
  },
];

/** Place → the settings that lead to the file `more` */
const SCOPES: Readonly<Record<string, (file: string) => readonly (readonly string[])[]>> = {
  include: (file) => [['include.path', file]],
  includeIf: (file) => [['includeIf.gitdir:**.path', file]],
  'config.worktree': () => [['extensions.worktreeConfig', 'true']],
};

async function poisonScope(
  bench: RedBench,
  name: string,
  words: (file: string) => readonly (readonly string[])[],
): Promise<PoisonedRepository> {
  const poisoned = await PoisonedRepository.create(bench);
  const program = await poisoned.program(name);
  const hooks = path.join(poisoned.root, 'hooks');
  await mkdir(hooks);
  for (const hook of HOOK_NAMES) await poisoned.plant(path.join(hooks, hook), `${name} ${hook}`);
  const file = name === 'config.worktree' ? path.join(poisoned.source, '.git/config.worktree') : path.join(poisoned.root, 'more');
  await writeFile(file, `[core]\n\tfsmonitor = ${program}\n\thooksPath = ${hooks}\n`);
  for (const [key = '', value = ''] of words(file)) await poisoned.must(['config', key, value]);
  await poisoned.takeMarks();
  return poisoned;
}
