/*
 * Scope: a repository of the user in which somebody planted programs, each of which leaves a mark when it runs.
 * Fail-safe direction: the programs do nothing but that; all is below the directory of the run.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type RunResult, run, runOrThrow } from '../../core/index.ts';
import type { RedBench } from '../bench/index.ts';

/** Some of the commands wait for a program that says nothing */
const CONTROL_TIMEOUT_MS = 4_000;

export class PoisonedRepository {
  readonly root: string;
  readonly source: string;

  private constructor(root: string) {
    this.root = root;
    this.source = path.join(root, 'shop');
  }

  /** Two branches that do not merge by themselves, a remote beside it, borrowed objects, and a file that changed. */
  static async create(bench: RedBench): Promise<PoisonedRepository> {
    const made = new PoisonedRepository(path.join(bench.directory, 'poisoned', randomBytes(4).toString('hex')));
    for (const dir of ['marks', 'bin', 'shop']) await mkdir(path.join(made.root, dir), { recursive: true });
    const { source } = made;
    await made.must(['init', '--quiet', '--initial-branch=main']);
    await made.must(['config', 'user.name', 'Ada']);
    await made.must(['config', 'user.email', 'ada@example.test']);
    await writeFile(path.join(source, '.gitattributes'), '*.txt filter=evil diff=evil merge=evil\n');
    await made.commit('a\n', 'Begin');
    await made.must(['clone', '--quiet', '--bare', source, path.join(made.root, 'side.git')]);
    await made.must(['switch', '--quiet', '-c', 'other']);
    await made.commit('other\n', 'Other');
    await made.must(['branch', 'side']);
    await made.must(['switch', '--quiet', 'main']);
    await made.commit('mine\n', 'Mine');
    await made.must(['remote', 'add', 'side', path.join(made.root, 'side.git')]);
    await writeFile(path.join(source, '.git/objects/info/alternates'), `${path.join(made.root, 'side.git/objects')}\n`);
    return made;
  }

  /** Path of a program that leaves the mark `name`. */
  async program(name: string): Promise<string> {
    const file = path.join(this.root, 'bin', name);
    await this.plant(file, name);
    return file;
  }

  /** Writes the program that leaves the mark `name` to a path. */
  async plant(file: string, name: string): Promise<void> {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `#!/bin/sh\n: > '${path.join(this.root, 'marks', encodeURIComponent(name))}'\n[ -t 0 ] || cat\n`);
    await chmod(file, 0o755);
  }

  /** Names of the programs that ran since the last call. */
  async takeMarks(): Promise<readonly string[]> {
    const names = await readdir(path.join(this.root, 'marks'));
    for (const name of names) await rm(path.join(this.root, 'marks', name));
    return names.map(decodeURIComponent).sort();
  }

  /** Makes the work tree look changed, so that git reads it. */
  async touch(): Promise<void> {
    await writeFile(path.join(this.source, 'a.txt'), `dirty ${randomBytes(4).toString('hex')}\n`);
    await utimes(path.join(this.source, '.gitattributes'), new Date(0), new Date());
  }

  /** git as a person types it in this repository; what it answers is of no interest. */
  async git(args: readonly string[], input = ''): Promise<RunResult> {
    return await run(['git', '-C', this.source, ...args], { env: this.#env(), input, timeoutMs: CONTROL_TIMEOUT_MS });
  }

  async must(args: readonly string[]): Promise<void> {
    await runOrThrow(['git', '-C', this.source, ...args], { env: this.#env(), timeoutMs: 20_000 });
  }

  /** A script in the work tree; `$1`… are the words. */
  async shell(script: string, ...words: readonly string[]): Promise<void> {
    await runOrThrow(['sh', '-c', script, 'sh', ...words], { cwd: this.source, env: this.#env(), timeoutMs: CONTROL_TIMEOUT_MS });
  }

  async commit(text: string, message: string): Promise<void> {
    await writeFile(path.join(this.source, 'a.txt'), text);
    await this.must(['add', '--all']);
    await this.must(['commit', '--quiet', '--message', message]);
  }

  #env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: this.root,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_MERGE_AUTOEDIT: 'no',
    };
  }
}
