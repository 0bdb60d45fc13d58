import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run, runOrThrow } from '../../src/core/index.ts';
import { openTerminal, type Terminal, whyNoTerminal } from '../support/terminal.ts';
import { sampleRepository, type TerokCli, terokCli } from '../support/terok-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));
const reason = await whyNoTerminal();

describe.skipIf(reason !== undefined)(`asked on a terminal${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let terok: TerokCli;
  let terminal: Terminal;
  let repository: string;

  beforeEach(async () => {
    terok = await terokCli();
    repository = await sampleRepository(terok.root);
    const made = await terok.run([
      'run',
      repository,
      '--keep',
      '--name',
      'work',
      '--',
      'sh',
      '-c',
      'mkdir .vscode; echo {} > .vscode/tasks.json',
    ]);
    expect(made.code, made.stderr).toBe(0);
    terminal = await openTerminal({ env: terok.env, cwd: terok.root });
    await enter(`terok() { '${process.execPath}' '${BIN}' "$@"; }; PS1='$ '; clear`);
  });

  afterEach(async () => {
    await terminal[Symbol.asyncDispose]();
    await terok[Symbol.asyncDispose]();
  });

  async function enter(line: string): Promise<void> {
    await terminal.type(line);
    await terminal.press('Enter');
  }

  /** Runs a command that asks, presses the key, and gives what is on the screen at its end. */
  async function answer(command: string, question: string, key: string): Promise<string> {
    await enter(`clear; ${command}; echo "status=$?"`);
    await terminal.shows(new RegExp(question.replace('?', '\\?')));
    await terminal.press(key);
    const screen = await terminal.shows(/^status=\d+$/m);
    expect(screen.split(question)).toHaveLength(2);
    return screen;
  }

  const taken = async (): Promise<boolean> =>
    (await run(['git', '-C', repository, 'rev-parse', '--verify', '--quiet', 'refs/heads/terok/work'])).exitCode === 0;

  it('apply shows what would run, asks once, and takes nothing without a yes', { timeout: 240_000 }, async () => {
    const before = (await runOrThrow(['git', '-C', repository, 'for-each-ref'])).stdout.toString();
    for (const key of ['n', 'Enter', 'C-c']) {
      const screen = await answer('terok apply work', 'Take this into your repository?', key);
      expect(screen).toContain('.vscode/tasks.json');
      expect(screen).not.toMatch(/^status=0$/m);
      expect((await runOrThrow(['git', '-C', repository, 'for-each-ref'])).stdout.toString()).toBe(before);
    }
    // No approval was left behind by a no
    expect((await terok.run(['apply', 'work'])).code).not.toBe(0);
    expect(await answer('terok apply work', 'Take this into your repository?', 'y')).toMatch(/^status=0$/m);
    expect(await taken()).toBe(true);
  });
});
