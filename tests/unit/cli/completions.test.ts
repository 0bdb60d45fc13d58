import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderCompletions } from '../../../src/cli/render/completions.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'terok-completions-'));
  writeFileSync(path.join(dir, 'completions.bash'), renderCompletions('bash'));
  // A real program in the place of terok: the script asks it for the names of tasks.
  writeFileSync(path.join(dir, 'terok'), '#!/bin/sh\n[ "$1 $2" = "list --names" ] && printf "shop\\nshop-2\\n"\n');
  chmodSync(path.join(dir, 'terok'), 0o755);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function complete(...words: string[]): string[] {
  const script = 'source completions.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _terok 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"';
  const env = { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
  return execFileSync('bash', ['-c', script, 'bash', ...words], { cwd: dir, env, encoding: 'utf8' })
    .trim()
    .split('\n');
}

test('bash completes commands, their second words, options, choices and tasks', () => {
  expect(complete('terok', 'st')).toEqual(['status', 'stop', 'start']);
  expect(complete('terok', 'image', '')).toEqual(['build', 'list', 'prune']);
  expect(complete('terok', 'image', 'build', '--f')).toEqual(['--force']);
  expect(complete('terok', 'run', '--allow-unenforced', 'p')).toEqual(['pids']);
  expect(complete('terok', 'diff', 'sh')).toEqual(['shop', 'shop-2']);
});

test.for(['zsh', 'fish'] as const)('%s accepts its script', (shell, { skip }) => {
  if (spawnSync(shell, ['--version']).error !== undefined) skip(`${shell} is not installed`);
  const check = (script: string) => {
    writeFileSync(path.join(dir, 'script'), script);
    return spawnSync(shell, ['-n', path.join(dir, 'script')], { encoding: 'utf8' });
  };
  expect(check("echo 'unclosed").status).not.toBe(0);
  expect(check(renderCompletions(shell))).toMatchObject({ status: 0, stderr: '' });
});
