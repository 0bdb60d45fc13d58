/*
 * No process of the host is ever started from what came out of a bottle, or from what somebody planted in a repository: seen by the
 * kernel's own calls, not by marks that a program would leave.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/core/index.ts';
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
];
const DRIVERS = [
  'filter.evil.clean',
  'filter.evil.smudge',
  'filter.evil.process',
  'diff.evil.textconv',
  'diff.evil.command',
  'merge.evil.driver',
];

/** Paths of the programs that a command and all its descendants started, as the kernel was asked for them. */
async function startedBy(
  argv: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; trace: string },
): Promise<readonly string[]> {
  const strace = ['strace', '-f', '-qq', '-e', 'trace=execve,execveat', '-e', 'signal=none', '-s', '4096', '-o', options.trace];
  await run([...strace, '--', ...argv], { cwd: options.cwd, env: options.env, timeoutMs: 120_000 });
  const lines = (await readFile(options.trace, 'utf8')).split('\n');
  return lines.flatMap((line) => /exec(?:ve|veat)\((?:[^"]*)"((?:[^"\\]|\\.)*)".* = 0$/.exec(line)?.[1] ?? []);
}

describe('programs that terok starts on the host', () => {
  let terok: TerokCli;
  let repository: string;
  let evil: string;

  beforeAll(async () => {
    terok = await terokCli();
    repository = await sampleRepository(terok.root);
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
    const made =
      "printf '* filter=evil diff=evil merge=evil\\n' > .gitattributes; echo more >> a.txt; git add -A; git commit -qm More; git push -q origin HEAD";
    const result = await terok.run(['run', repository, '--quiet', '--name', 'traced', '--', 'sh', '-c', made]);
    expect(result.code, result.stderr).toBe(0);
  });
  afterAll(async () => {
    await terok?.[Symbol.asyncDispose]();
  });

  async function git(...args: string[]): Promise<void> {
    await run(['git', '-C', repository, ...args], { env: { PATH: process.env.PATH ?? '', HOME: terok.root } });
  }

  const trace = (): string => path.join(terok.root, 'trace');

  test('git as a person types it starts the planted ones, which the trace sees', async () => {
    await writeFile(path.join(repository, 'a.txt'), 'changed\n');
    const started = await startedBy(['git', 'status'], {
      cwd: repository,
      env: { PATH: process.env.PATH, HOME: terok.root },
      trace: trace(),
    });
    expect(started.some((file) => file.startsWith(evil))).toBe(true);
  });

  test.each([
    [['review', 'traced', '--json']],
    [['diff', 'traced']],
    [['status', 'traced', '--json']],
    [['list', '--json']],
    [['approve', 'traced', '--review', 'DIGEST']],
    [['apply', 'traced']],
    [['reject', 'traced', '-m', 'No']],
    [['config', 'show', 'REPOSITORY', '--json']],
    [['discard', 'traced']],
  ])('terok %j starts git and its own helpers, nothing else', async (words) => {
    const { digest } = words.includes('DIGEST') ? await terok.json<{ digest: string }>(['review', 'traced']) : { digest: '' };
    const args = words.map((word) => (word === 'DIGEST' ? digest : word === 'REPOSITORY' ? repository : word));
    const started = await startedBy([process.execPath, BIN, ...args], { cwd: repository, env: terok.env, trace: trace() });
    expect(started[0]).toBe(process.execPath);
    const strange = started.filter((file) => file.startsWith(terok.root) || !/^(?:\/usr|\/bin|\/sbin|\/opt)\//.test(file));
    expect(strange.filter((file) => file !== process.execPath)).toEqual([]);
  });
});
