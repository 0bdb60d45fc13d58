/**
 * How soon the review of a change of 5 000 files opens: trust surface, commits, counts and the scan for hidden characters. Beside it,
 * `git diff-tree -p` of the same change, which a person would wait for. Usage: node bench/review.bench.ts [rounds]; prints JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { ensureGate, importSource, reviewTask } from '../src/projects/git/index.ts';

const FILES = 5_000;
const rounds = Number(process.argv[2] ?? 5);
const root = await mkdtemp(path.join(tmpdir(), 'terok-bench-review-'));
const identity = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@b.test', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@b.test' };
const env = { PATH: process.env.PATH ?? '', HOME: root, ...identity };

try {
  process.stdout.write(`${JSON.stringify(await measure(), null, 2)}\n`);
} finally {
  await rm(root, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, unknown>> {
  const source = path.join(root, 'source');
  await mkdir(source);
  git(source, ['init', '--quiet', '--initial-branch=main']);
  git(source, ['commit', '--quiet', '--allow-empty', '--message', 'Begin']);
  const gate = await ensureGate(path.join(root, 'data'), source);
  const imported = await importSource({ gate, source, slug: 'shop' });
  if (imported.kind !== 'git') throw new Error('the source is no repository');
  await writeChange(source);
  git(source, ['push', '--quiet', imported.repository, `HEAD:${imported.writableRef}`]);
  const [openMs, diffMs]: [number[], number[]] = [[], []];
  let review = await reviewTask({ gate, slug: 'shop', policy: {} });
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now();
    review = await reviewTask({ gate, slug: 'shop', policy: {} });
    const middle = performance.now();
    git(imported.repository, ['diff-tree', '-r', '-p', review.old, review.new]);
    openMs.push(middle - begin);
    diffMs.push(performance.now() - middle);
  }
  return {
    machine: { cpus: cpus().length, node: process.version, load: loadavg() },
    files: review.fileCount,
    findings: review.surface.findings.length,
    openMs: { p50: median(openMs), max: Math.max(...openMs) },
    diffMs: { p50: median(diffMs) },
  };
}

/** Source files for the most part, and what a large change brings: manifests, a lock file, workflows, scripts. */
async function writeChange(source: string): Promise<void> {
  const text = (seed: number): string => Array.from({ length: 40 }, (_, line) => `const value${line} = ${seed * line};\n`).join('');
  for (let index = 0; index < FILES - 120; index += 1) {
    const file = path.join(source, `src/area${index % 70}/part${index}.ts`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text(index));
  }
  for (let index = 0; index < 118; index += 1) {
    await mkdir(path.join(source, `packages/p${index}`), { recursive: true });
    const manifest = { name: `p${index}`, scripts: { postinstall: 'node x.js' }, dependencies: { zod: '^4.0.0' } };
    await writeFile(path.join(source, `packages/p${index}/package.json`), JSON.stringify(manifest));
  }
  await mkdir(path.join(source, '.github/workflows'), { recursive: true });
  await writeFile(path.join(source, '.github/workflows/ci.yml'), 'on: push\n');
  const names = Array.from({ length: 3_000 }, (_, index) => [
    `node_modules/d${index}`,
    { version: '1.0.0', resolved: 'https://packages.example/d.tgz' },
  ]);
  await writeFile(path.join(source, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: Object.fromEntries(names) }));
  git(source, ['add', '--all']);
  git(source, ['commit', '--quiet', '--message', 'Change much']);
}

function git(directory: string, args: readonly string[]): void {
  execFileSync('git', ['-C', directory, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
