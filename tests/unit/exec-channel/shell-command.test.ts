import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MarkFilter, Marks } from '../../../src/exec-channel/marks.ts';
import { quote, splitScript, toShellCommand } from '../../../src/exec-channel/shell-command.ts';

const text = fc.string({ unit: 'binary', maxLength: 200 }).map((value) => value.replaceAll('\0', '').toWellFormed());
const nasty = fc.oneof(
  text,
  fc.constantFrom('', ' ', "'", "''", '"', '\\', '\n', '\n\n', '-n', '--', '$(id)', '`id`', '*', '~', '!', 'ü漢🎉', "'".repeat(1_000)),
);
const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/).filter((candidate) => !['PATH', 'LC_ALL', 'LANG'].includes(candidate));

/** Runs the program as the SSH server does, and gives what the command itself printed. */
function runIn(
  shell: string,
  options: { argv: readonly string[]; env?: Record<string, string>; cwd?: string },
): { marks: string[]; stdout: Buffer; status: number | null } {
  const marks = new Marks();
  const script = toShellCommand({ env: {}, ...options, marks });
  const result = spawnSync(shell, ['-c', script], { env: { PATH: process.env.PATH ?? '' } });
  const seen: string[] = [];
  new MarkFilter(marks, (mark) => seen.push(mark.kind)).push(result.stderr);
  return { marks: seen, stdout: result.stdout, status: result.status };
}

describe.each(['/bin/sh', '/bin/bash'])('a command in %s', (shell) => {
  test('arguments arrive exactly', () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 8 }), (args) => {
        const { stdout, marks } = runIn(shell, { argv: ['printf', '%s\\0', ...args, 'end'] });
        expect(stdout.toString().split('\0').slice(0, -1)).toEqual([...args, 'end']);
        expect(marks).toEqual(['started']);
      }),
      { numRuns: 40 },
    );
  });

  test('variables arrive exactly, also those that a shell treats as its own', () => {
    const names = fc.oneof(
      name,
      fc.constantFrom('IFS', 'OPTIND', 'PPID', 'UID', 'PS4', 'PWD', 'SHELLOPTS', 'ENV', 'BASH_ENV', 'POSIXLY_CORRECT'),
    );
    fc.assert(
      fc.property(fc.dictionary(names, nasty, { maxKeys: 8 }), (env) => {
        const seen = new Map(
          runIn(shell, { argv: ['cat', '/proc/self/environ'], env })
            .stdout.toString()
            .split('\0')
            .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
        );
        expect(Object.entries(env).filter(([key, value]) => key !== 'ENV' && key !== 'BASH_ENV' && seen.get(key) !== value)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    [['nope-nope'], ['missing'], 127],
    [['/etc/passwd'], ['notExecutable'], 126],
    [['-nope'], ['started'], 127],
  ] as const)('%j says %j', (argv, marks, status) => {
    expect(runIn(shell, { argv })).toMatchObject({ marks, status });
  });

  test('a failed start after every check is told from a command that exits with 127', () => {
    expect(runIn(shell, { argv: ['sh', '-c', 'exit 127'] })).toMatchObject({ marks: ['started'], status: 127 });
    expect(runIn(shell, { argv: ['cd'] })).toMatchObject({ marks: ['started', 'failed'], status: 127 });
  });

  test('a directory that is missing stops everything', () => {
    expect(runIn(shell, { argv: ['echo', 'ran'], cwd: '/nope' })).toMatchObject({ marks: ['cwd'], status: 1, stdout: Buffer.alloc(0) });
  });
});

test('one hundred kilobytes of quotes are one word', () => {
  const long = "'".repeat(30_000);
  expect(spawnSync('/bin/sh', ['-c', `printf %s ${quote(long)}`]).stdout.toString()).toBe(long);
});

test.each([
  ['nothing', []],
  ['an empty name', ['']],
  ['a NUL byte', ['a', '\0']],
  ['a word above the limit of the kernel', ['a', 'x'.repeat(131_071)]],
  ['too much in all', ['a', ...Array.from({ length: 20 }, () => 'x'.repeat(100_000))]],
])('%s is refused', (_name, argv) => {
  expect(() => toShellCommand({ argv, env: {}, marks: new Marks() })).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

test('the pieces of a long program make the program, and none is too long', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('ä', 'x', '漢', '🎉', "'"), { minLength: 1, maxLength: 20 }), (letters) => {
      const script = letters.join('').repeat(20_000);
      const pieces = splitScript(script);
      expect(pieces.join('') === script).toBe(true);
      expect(pieces.every((piece) => Buffer.byteLength(piece) <= 100_000)).toBe(true);
    }),
    { numRuns: 10 },
  );
});
