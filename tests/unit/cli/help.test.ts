import { expect, test } from 'vitest';
import { COMMAND_NAMES } from '../../../src/cli/command-table.ts';
import { renderCliDocs } from '../../../src/cli/render/docs.ts';
import { renderCommand, renderOverview, usageOf } from '../../../src/cli/render/help.ts';

test('the overview names every command', () => {
  const overview = renderOverview('1.2.3');
  expect(overview).toContain('terok 1.2.3');
  for (const name of COMMAND_NAMES) expect(overview).toContain(`  ${name} `);
});

test('usage shows what is optional and what comes after --', () => {
  expect(usageOf('run')).toBe('terok run [OPTION…] [DIR] [-- COMMAND…]');
  expect(usageOf('exec')).toBe('terok exec [OPTION…] TASK [-- COMMAND…]');
  expect(usageOf('rm')).toBe('terok rm [OPTION…] [TASK…]');
});

test('the help of a command lists its options with choices and repetition', () => {
  const help = renderCommand('run');
  expect(help).toMatch(/--allow-unenforced LIMIT .*\(memory, cpus, pids, files, disk\); may be repeated/);
  expect(help).toContain('128+N');
});

test('the documentation has a section for each command', () => {
  const docs = renderCliDocs();
  for (const name of COMMAND_NAMES) expect(docs).toContain(`\n## terok ${name}\n`);
});
