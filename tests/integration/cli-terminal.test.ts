import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patient } from '../../src/core/index.ts';
import { leftovers } from '../support/leftovers.ts';
import { openTerminal, type Terminal, whyNoTerminal } from '../support/terminal.ts';
import { processesWith, sampleRepository, type TerokCli, terokCli, waitFor } from '../support/terok-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/terok.mjs', import.meta.url));
const reason = await whyNoTerminal();

/** Podman's monitor puts away what it knows of a container after that has ended. */
async function nothingLeftOf(name: string): Promise<void> {
  await expect.poll(() => processesWith(name), { timeout: patient(15_000) }).toEqual([]);
}

describe.skipIf(reason !== undefined)(`on a terminal${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let terok: TerokCli;
  let terminal: Terminal;

  beforeEach(async () => {
    terok = await terokCli();
    const repository = await sampleRepository(terok.root);
    terminal = await openTerminal({ env: terok.env, cwd: repository });
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

  /** Types a command and gives what the screen shows when it has ended, with its exit status */
  async function statusAfter(act: () => Promise<void>): Promise<{ readonly screen: string; readonly status: number }> {
    await act();
    await terminal.shows(/\$$/);
    await enter('echo "status=$?"');
    const screen = await terminal.shows(/^status=\d+$/m);
    return { screen, status: Number(/^status=(\d+)$/m.exec(screen)?.[1]) };
  }

  const work = (first = ''): string => `sh -c '${first}echo precious > precious.txt; echo working; exec sleep 300'`;
  const working = async (name: string, first = ''): Promise<void> => {
    await enter(`clear; terok run . --name ${name} -- ${work(first)}`);
    await terminal.shows(/^working$/m);
  };

  it('run --interactive gives the agent the terminal: its size, its changes of size, its keys', async () => {
    await enter('terok run . -i --name talk -- bash');
    await terminal.shows(/agent@talk/);
    await enter('clear; stty size; sleep 300');
    await terminal.shows(/^30 100$/m);
    await terminal.press('C-c');
    await terminal.resize(120, 40);
    await enter('stty size; echo made > made.txt');
    await terminal.shows(/^40 120$/m);
    const { status, screen } = await statusAfter(() => enter('exit 7'));
    expect(status).toBe(7);
    expect(screen).toMatch(/Task talk: ended with 7; 1 commit, 1 changed file/);
    await enter('clear; stty -a | grep -c -- " -echo "; terok diff talk');
    expect(await terminal.shows(/\+made/)).toMatch(/^0$/m);
  });

  it('exec --tty gives a command of a kept bottle the terminal', async () => {
    await terok.run(['run', path.join(terok.root, 'sample'), '--keep', '--name', 'kept', '--', 'true']);
    await enter('terok exec -t kept -- bash');
    await terminal.shows(/agent@kept/);
    await enter('clear; tty; sleep 300');
    await terminal.shows(/^\/dev\/pts\/\d+$/m);
    await terminal.press('C-c');
    await terminal.resize(90, 33);
    await enter('stty size');
    await terminal.shows(/^33 90$/m);
    expect((await statusAfter(() => enter('exit 9'))).status).toBe(9);
  });

  it('the value of a secret is not shown while it is typed, and C-c stores nothing', async () => {
    await enter('terok secret set typed');
    await terminal.shows(/Value of typed/);
    const before = await terminal.screen();
    await terminal.type('hunter2');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await terminal.screen()).toBe(before);
    const stored = await statusAfter(() => terminal.press('Enter'));
    expect(stored).toMatchObject({ status: 0, screen: expect.not.stringContaining('hunter2') });
    expect(readFileSync(path.join(terok.paths.data, 'secrets/typed'), 'utf8')).toBe('hunter2');
    await enter('clear; terok secret set other');
    await terminal.shows(/Value of other/);
    await terminal.type('abc');
    expect((await statusAfter(() => terminal.press('C-c'))).status).toBe(130);
    expect((await terok.run(['secret', 'list'])).stdout).not.toContain('other');
  });

  it('C-c once stops the task cleanly and keeps its work', async () => {
    await working('once');
    const { status, screen } = await statusAfter(() => terminal.press('C-c'));
    expect(status).toBe(130);
    expect(screen).toMatch(/Stopping; once more ends terok at once\.[\s\S]*Task once: stopped; 1 commit, 1 changed file/);
    await nothingLeftOf('terok-once');
  });

  it('C-c twice ends terok at once; the next command brings the work home', async () => {
    // Work that takes a while to bring home, so that the second C-c comes before the end
    await working('twice', 'head -c 50000000 /dev/urandom > big; ');
    const begin = performance.now();
    const { status, screen } = await statusAfter(async () => {
      await terminal.press('C-c');
      await terminal.shows(/Stopping/);
      await terminal.press('C-c');
    });
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(status).toBe(130);
    expect(screen).toMatch(/Ended at once\. The next terok command.*`twice`/);
    const diff = await terok.run(['diff', 'twice']);
    expect(diff).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('+precious'),
      stderr: expect.stringContaining('repaired: `twice`'),
    });
    await nothingLeftOf('terok-twice');
  });

  it.each(['run .', 'run . -i'])('a window that is closed under `terok %s` stops the task cleanly', async (command) => {
    await enter(`clear; terok ${command} --name closed -- ${work()}`);
    await terminal.shows(/^working$/m);
    await terminal.close();
    await waitFor('the end of the task', 60_000, async () => (await terok.json<{ phase: string }>(['status', 'closed'])).phase === 'done');
    expect((await terok.run(['diff', 'closed'])).stdout).toContain('+precious');
  });

  it('logs --follow shows what comes, and C-c ends the looking, not the task', async () => {
    await terok.run([
      'run',
      path.join(terok.root, 'sample'),
      '-d',
      '--name',
      'long',
      '--',
      'sh',
      '-c',
      'echo first; sleep 3; echo second; exec sleep 300',
    ]);
    await enter('clear; terok logs -f long');
    await terminal.shows(/^first$/m);
    await terminal.shows(/^second$/m);
    expect((await statusAfter(() => terminal.press('C-c'))).status).toBe(130);
    expect(await terok.json(['status', 'long'])).toMatchObject({ status: 'running' });
    await terok.run(['stop', 'long']);
    expect(await terok.json(['status', 'long'])).toMatchObject({ phase: 'done' });
  });

  it('what an agent prints cannot act on the terminal, and file names in a diff are shown as codes', async () => {
    // names like this do not get into the gate unless the user lets them
    mkdirSync(terok.paths.config, { recursive: true });
    writeFileSync(path.join(terok.paths.config, 'config.yml'), 'git: { rules: { names: allow } }\n');
    const hostile = "printf 'before\\033]0;title\\007\\033[2J\\033[5A\\033[31mred\\n'; echo x > \"$(printf 'a\\033[2Jb')\"";
    await enter(`clear; terok run . --name bad -- sh -c '${hostile.replaceAll("'", "'\\''")}'`);
    const screen = await terminal.shows(/Task bad: ended/);
    expect(screen).toMatch(/^beforered$/m);
    await enter('clear; terok diff bad');
    expect(await terminal.shows(/^\+x$/m)).toMatch(/a\\(033|u\{1b\})\[2Jb/);
  });

  it('colours are for people, and not for those who set NO_COLOR', async () => {
    const paint = async (value: string): Promise<string> => {
      await enter(
        `clear; env -u NO_COLOR ${value} '${process.execPath}' '${BIN}' lst 2>&1 | cat -v; NO_COLOR=${value === '' ? '' : '1'} script -qec "'${process.execPath}' '${BIN}' lst" /dev/null | cat -v; printf 'end of %s\\n' '<${value}>'`,
      );
      // Not the screen of the call before, and not what was typed
      return await terminal.shows(new RegExp(`code: USAGE[\\s\\S]*code: USAGE[\\s\\S]*end of <${value}>`));
    };
    expect(await paint('')).toContain('^[[31merror:');
    expect(await paint('NO_COLOR=1')).not.toContain('^[[');
  });

  it('a background runner that is killed leaves its work to the next command', async () => {
    await terok.run([
      'run',
      path.join(terok.root, 'sample'),
      '-d',
      '--name',
      'gone',
      '--',
      'sh',
      '-c',
      'echo precious > precious.txt; echo working; exec sleep 300',
    ]);
    await waitFor('the agent', 60_000, async () => (await terok.run(['logs', 'gone'])).stdout.includes('working'));
    const task = JSON.parse(readFileSync(path.join(terok.paths.state, 'bottles/gone/task.json'), 'utf8')) as { runner: { pid: number } };
    process.kill(task.runner.pid, 'SIGKILL');
    const followed = await terok.run(['logs', '--follow', 'gone']);
    expect(followed).toMatchObject({ code: 0, stdout: 'working\n', stderr: expect.stringContaining('repaired: `gone`') });
    expect((await terok.run(['diff', 'gone'])).stdout).toContain('+precious');
    await terok.run(['rm', '--force', 'gone']);
    const left = async (): Promise<string[]> => (await leftovers(terok)).filter((each) => !each.includes('.git') && !each.includes('tmux'));
    // Podman's service of a process that was killed ends when it has had nothing to do for ten seconds
    await waitFor('the service of the killed runner to end', 20_000, async () => !(await left()).join().includes('system service'));
    expect(await left()).toEqual([]);
  });
});
