import { expect, test } from 'vitest';
import { parseArguments } from '../../../src/cli/parse-arguments.ts';
import { isTerokError } from '../../../src/core/errors.ts';

function usageError(...argv: string[]): string {
  try {
    parseArguments(argv);
  } catch (error) {
    if (isTerokError(error) && error.code === 'USAGE') return `${error.message} ${error.hint ?? ''}`;
    throw error;
  }
  throw new Error('the command line was accepted');
}

test('what follows -- is the command, whatever it looks like', () => {
  const parsed = parseArguments(['run', '.', '--keep', '--', 'sh', '-c', 'echo "$1"', '--', '--json', '-h']);
  expect(parsed.name).toBe('run');
  expect(parsed.input.arguments).toEqual({ dir: '.', command: ['sh', '-c', 'echo "$1"', '--', '--json', '-h'] });
  expect(parsed.input.options).toMatchObject({ keep: true, json: false });
});

test('run takes a command without a directory', () => {
  expect(parseArguments(['run', '--', 'true']).input.arguments).toEqual({ dir: undefined, command: ['true'] });
});

test('lists collect, and absent options have their empty value', () => {
  const { input } = parseArguments(['run', '-e', 'A=1', '--env', 'B', '--allow-unenforced=memory']);
  expect(input.options).toMatchObject({ env: ['A=1', 'B'], allowUnenforced: ['memory'], sudo: false, agent: undefined });
});

test('exec leaves the options of its command alone', () => {
  expect(parseArguments(['exec', '-t', 'shop', 'ls', '-la', '--user']).input).toMatchObject({
    arguments: { task: 'shop', command: ['ls', '-la', '--user'] },
    options: { tty: true, user: undefined },
  });
});

test('with --, the options of exec may come after the task', () => {
  expect(parseArguments(['exec', 'shop', '-e', 'A=1', '--', 'ls', '-e']).input).toMatchObject({
    arguments: { task: 'shop', command: ['ls', '-e'] },
    options: { env: ['A=1'] },
  });
});

test('a prompt may begin with a hyphen', () => {
  expect(parseArguments(['run', '-p', '-']).input.options).toMatchObject({ prompt: '-' });
  expect(parseArguments(['run', '--prompt=--help']).input.options).toMatchObject({ prompt: '--help' });
});

test.each([
  [['rnu'], 'Did you mean `terok run`?'],
  [['image', 'biuld'], 'Did you mean `terok image build`?'],
  [['--json', 'list'], 'The command comes before its options'],
  [['status'], 'needs TASK'],
  [['run', 'a', 'b'], 'after `--`'],
  [['run', '--allow-unenforced', 'network'], 'takes one of memory, cpus, pids, files, disk; got `network`'],
  [['completions', 'tcsh'], 'Allowed choices are bash, zsh, fish'],
  [['list', '--jsno'], 'Unknown option'],
  [['run', '--name'], 'argument missing'],
])('%j is refused with a way out', (argv, text) => {
  expect(usageError(...argv)).toContain(text);
});
