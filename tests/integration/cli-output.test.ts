import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTerminal, whyNoTerminal } from '../support/terminal.ts';
import { sampleRepository, type TerokCli, terokCli } from '../support/terok-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));

let terok: TerokCli;
let repository: string;

beforeAll(async () => {
  terok = await terokCli();
  repository = await sampleRepository(terok.root);
  const result = await terok.run([
    'run',
    repository,
    '--quiet',
    '--name',
    'done',
    '--',
    'sh',
    '-c',
    'echo more >> a.txt; git commit -qam More',
  ]);
  expect(result.code).toBe(0);
  const { digest } = await terok.json<{ digest: string }>(['review', 'done']);
  expect((await terok.run(['approve', 'done', '--review', digest])).code).toBe(0);
});

afterAll(async () => {
  await terok[Symbol.asyncDispose]();
});

describe('--json', () => {
  /** Names of the fields that a program may rely on; of the first element where the document is a list */
  it.each<[string[], string[]]>([
    [['list'], ['slug', 'project', 'backend', 'status', 'phase', 'createdAt', 'source', 'commits']],
    [
      ['status', 'done'],
      ['slug', 'image', 'limits', 'missingLimits', 'routes', 'branch', 'gateway', 'exit', 'notes'],
    ],
    [
      ['backend', 'list'],
      ['name', 'isDefault', 'isolation', 'capabilities', 'probe'],
    ],
    [
      ['agent', 'list'],
      ['name', 'title', 'origin', 'secrets', 'hosts'],
    ],
    [
      ['image', 'list'],
      ['reference', 'layer', 'id', 'bytes', 'createdAt', 'agents'],
    ],
    [
      ['config', 'show'],
      ['project', 'files', 'settings', 'origins', 'notGranted'],
    ],
    [['doctor'], ['severity', 'area', 'message']],
    [
      ['review', 'done'],
      ['slug', 'ref', 'old', 'new', 'tree', 'policy', 'digest', 'surface', 'hidden', 'commits', 'files', 'decisions'],
    ],
    [
      ['apply', 'done'],
      ['slug', 'branch', 'mergeCommand', 'commits', 'files'],
    ],
  ])('of %j is one document with stable fields', async (args, fields) => {
    const document = await terok.json<object | object[]>(args);
    const one = Array.isArray(document) ? (document as object[])[0] : document;
    expect(Object.keys(one ?? {})).toEqual(expect.arrayContaining(fields));
  });

  it.each([
    [['status', 'nothing'], 'NOT_FOUND'],
    [['list', '--no-such-option'], 'USAGE'],
    [['secret', 'rm', 'nothing'], 'NOT_FOUND'],
    [['cp', 'x', 'y'], 'USAGE'],
    [['exec', 'nothing', '--', 'true'], 'NOT_FOUND'],
  ])('of %j that fails is an error document with the exit status', async (args, code) => {
    const dashes = args.indexOf('--');
    const before = dashes === -1 ? args : args.slice(0, dashes);
    if (args[0] === 'exec') return expect((await terok.run(args)).stderr).toContain(`code: ${code}`);
    const result = await terok.run([...before, '--json']);
    const { error } = JSON.parse(result.stdout) as { error: { code: string; message: string; exitStatus: number } };
    expect(error).toMatchObject({ code, exitStatus: result.code, message: expect.any(String) });
  });
});

describe('--env', () => {
  it.each(['$HOME', '${HOME}', '$$', '${NO_SUCH_VARIABLE}', '${broken', 'line\nbreak', 'quote\'d "x"', 'ü✓'])(
    'passes %j as it is',
    async (value) => {
      const result = await terok.run(['run', repository, '--quiet', '--env', `VALUE=${value}`, '--', 'printenv', 'VALUE']);
      expect(result).toMatchObject({ code: 0, stdout: `${value}\n` });
    },
  );
});

describe('names that others chose', () => {
  it('are shown as codes in errors and tables', async () => {
    const hostile = 'a\u001b[2Jb\u202e\u0007';
    const missing = await terok.run(['status', hostile]);
    expect(missing.stderr).toContain('a\\u{1b}[2Jb\\u{202e}\\u{7}');
    const directory = await sampleRepository(terok.root, `dir\u001b[31m`);
    const run = await terok.run([
      'run',
      directory,
      '--name',
      'hostile',
      '--',
      'sh',
      '-c',
      'git commit -q --allow-empty -m "$(printf "sub\\033[2Jject")"',
    ]);
    const { stdout } = await terok.run(['list']);
    expect(stdout).toContain('dir\\u{1b}[31m');
    for (const text of [missing.stderr, run.stderr, stdout]) expect(text).not.toContain('\u001b');
    expect(run.stderr).toMatch(/sub\\(u\{1b\}|033)\[2Jject/);
  });
});

describe('completions in a real shell', async () => {
  const reason = await whyNoTerminal();

  it.each([
    ['bash', 'bash --norc --noprofile', 'source <(terok completions bash)'],
    ['zsh', 'zsh -f', 'autoload -U compinit; compinit -u -D; source <(terok completions zsh)'],
    ['fish', 'fish --no-config', 'terok completions fish | source'],
  ])('%s completes a command, an option and the name of a task', async (shell, start, load) => {
    if (reason !== undefined) throw new Error(reason);
    const bin = path.join(terok.root, `bin-${shell}`);
    const { mkdir, writeFile } = await import('node:fs/promises');
    await mkdir(bin);
    await writeFile(path.join(bin, 'terok'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`, { mode: 0o755 });
    const env = { ...terok.env, HOME: terok.root, PATH: `${bin}:${process.env['PATH']}` };
    await using terminal = await openTerminal({ env, cwd: repository });
    const enter = async (text: string): Promise<void> => {
      await terminal.type(text);
      await terminal.press('Enter');
    };
    await enter(start);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await enter(load);
    await enter('echo loaded');
    await terminal.shows(/^loaded$/m);
    const completed = async (text: string, expected: RegExp): Promise<void> => {
      await terminal.press('C-l');
      await terminal.type(text);
      await terminal.press('Tab');
      await terminal.shows(expected, 20_000);
      await terminal.press('C-u');
    };
    await completed('terok stat', /terok status/);
    await completed('terok run --inter', /terok run --interactive/);
    await completed('terok diff do', /terok diff done/);
  });
});

it('help and documentation name the same exit statuses', async () => {
  const help = (await terok.run(['--help'])).stdout;
  const documentation = readFileSync(fileURLToPath(new URL('../../docs/cli.md', import.meta.url)), 'utf8');
  for (const status of ['120', '121', '122', '123', '124', '125', '128+N'])
    expect([help.includes(status), documentation.includes(status)]).toEqual([true, true]);
});
