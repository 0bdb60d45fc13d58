/*
 * No process of the host is ever started from what came out of a bottle, or from what somebody planted in a repository: seen by the
 * kernel's own calls, not by marks that a program would leave.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/core/index.ts';
import { Forge } from '../support/forge.ts';
import { sampleRepository, type TerokCli, terokCli } from '../support/terok-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));
const KEYS = [
  'core.fsmonitor',
  'core.sshCommand',
  'core.pager',
  'core.editor',
  'core.askPass',
  'core.alternateRefsCommand',
  'diff.external',
  'gpg.program',
  'credential.helper',
  'core.gitProxy',
  'uploadpack.packObjectsHook',
];
const DRIVERS = [
  'filter.evil.clean',
  'filter.evil.smudge',
  'filter.evil.process',
  'diff.evil.textconv',
  'diff.evil.command',
  'merge.evil.driver',
];

/** What the task commits: files that name the planted drivers. */
const MADE =
  "printf '* filter=evil diff=evil merge=evil\\n' > .gitattributes; echo more >> a.txt; git add -A; git commit -qm More; git push -q origin HEAD";

/** What git runs in the gate is terok's own. */
const OWN_HOOK = /\/gate\/tasks\/\.hooks-[0-9a-f]{12}\/(?:pre-receive|update|post-receive)$/;

interface Traced {
  /** Paths of the programs that the command and all its descendants started, as the kernel was asked for them */
  readonly started: readonly string[];
  readonly code: number | null;
  readonly stderr: string;
}

async function traced(argv: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv; trace: string }): Promise<Traced> {
  const strace = ['strace', '-f', '-qq', '-e', 'trace=execve,execveat', '-e', 'signal=none', '-s', '4096', '-o', options.trace];
  const { exitCode, stderr } = await run([...strace, '--', ...argv], { cwd: options.cwd, env: options.env, timeoutMs: 120_000 });
  const lines = (await readFile(options.trace, 'utf8')).split('\n');
  // A program that is started by its descriptor, as crun starts its copy of itself, has no path: its first word names it
  const started = lines.flatMap((line) => {
    const [, file, word] = /exec(?:ve|veat)\([^"]*"((?:[^"\\]|\\.)*)", \["((?:[^"\\]|\\.)*)".* = 0$/.exec(line) ?? [];
    return file === '' ? (word ?? '') : (file ?? []);
  });
  return { started, code: exitCode ?? null, stderr: stderr.toString() };
}

describe('programs that terok starts on the host', () => {
  let terok: TerokCli;
  let forge: Forge;
  let repository: string;
  let evil: string;

  beforeAll(async () => {
    terok = await terokCli();
    repository = await sampleRepository(terok.root);
    forge = await Forge.start();
    await forge.createRepository('team/shop');
    await git('push', '--quiet', forge.directory('team/shop'), 'main');
    evil = path.join(terok.root, 'evil');
    await mkdir(evil);
    const plant = async (file: string): Promise<void> => {
      await writeFile(file, '#!/bin/sh\ncat\n');
      await chmod(file, 0o755);
    };
    const program = path.join(evil, 'program');
    await plant(program);
    for (const key of [...KEYS, ...DRIVERS]) await git('config', key, program);
    await git('config', 'core.hooksPath', evil);
    for (const hook of ['reference-transaction', 'post-checkout', 'post-index-change', 'pre-commit', 'post-commit'])
      await plant(path.join(evil, hook));
    const must = async (args: readonly string[], input = ''): Promise<void> => {
      const result = await terok.run(args, { input });
      expect(result.code, result.stderr).toBe(0);
    };
    await must(['secret', 'set', 'forge'], forge.token);
    await must(['git', 'upstream', 'set', forge.remote('team/shop'), repository, '--secret', 'forge']);
    await must(['run', repository, '--quiet', '--name', 'traced', '--', 'sh', '-c', MADE]);
    await must(['run', repository, '--quiet', '--keep', '--name', 'kept', '--', 'true']);
  });
  afterAll(async () => {
    await terok?.[Symbol.asyncDispose]();
    await forge?.[Symbol.asyncDispose]();
  });

  async function git(...args: string[]): Promise<void> {
    await run(['git', '-C', repository, ...args], { env: { PATH: process.env.PATH ?? '', HOME: terok.root } });
  }

  const trace = (): string => path.join(terok.root, 'trace');

  test('git as a person types it starts the planted ones, which the trace sees', async () => {
    await writeFile(path.join(repository, 'a.txt'), 'changed\n');
    const { started } = await traced(['git', 'status'], {
      cwd: repository,
      env: { PATH: process.env.PATH, HOME: terok.root },
      trace: trace(),
    });
    expect(started.some((file) => file.startsWith(evil))).toBe(true);
  });

  test.each([
    ['run REPOSITORY --name again -- sh -c MADE'],
    ['review traced --json'],
    ['diff traced'],
    ['status traced --json'],
    ['list --json'],
    ['git sync REPOSITORY'],
    ['push traced --approve DIGEST'],
    ['approve traced --review DIGEST'],
    ['apply traced --provenance'],
    ['provenance verify terok/traced REPOSITORY'],
    ['reject traced -m No'],
    ['config show REPOSITORY --json'],
    ['exec kept -- true'],
    ['cp kept:/work/sample/a.txt OUT'],
    ['cp OUT kept:/tmp/back'],
    ['stop kept'],
    ['rm --force kept'],
    ['discard traced'],
  ])('terok %s starts git and its own helpers, nothing else', async (line) => {
    const words = line.split(' ');
    const digest = words.includes('DIGEST') ? (await terok.json<{ digest: string }>(['review', 'traced'])).digest : '';
    const values: Readonly<Record<string, string>> = { DIGEST: digest, REPOSITORY: repository, MADE, OUT: path.join(terok.root, 'out') };
    const argv = [process.execPath, BIN, ...words.map((word) => values[word] ?? word)];
    const { started, code, stderr } = await traced(argv, { cwd: repository, env: terok.env, trace: trace() });
    expect(code, stderr).toBe(0);
    expect(started[0]).toBe(process.execPath);
    const own = (file: string): boolean => file === process.execPath || (file.startsWith(terok.paths.data) && OWN_HOOK.test(file));
    const strange = started.filter((file) => file.startsWith(terok.root) || !/^(?:\/usr|\/bin|\/sbin|\/opt)\//.test(file));
    expect(strange.filter((file) => !own(file))).toEqual([]);
  });
});
