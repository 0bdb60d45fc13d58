import { expect, test } from 'vitest';
import { longName, type OptionSpec } from '../../../src/cli/command-spec.ts';
import { COMMAND_NAMES, COMMON_OPTIONS, EXIT_STATUSES, GROUPS, specOf } from '../../../src/cli/command-table.ts';
import { loadCommand } from '../../../src/cli/load-command.ts';
import { ERROR_EXIT_STATUS } from '../../../src/core/errors.ts';

test.each(COMMAND_NAMES)('`%s` has a module, distinct options and at most one rest, at the end', async (name) => {
  expect(typeof (await loadCommand(name)).execute).toBe('function');
  const spec = specOf(name);
  const options = Object.entries<OptionSpec>({ ...spec.options, ...COMMON_OPTIONS });
  const names = options.flatMap(([key, option]) => [longName(key), ...(option.short === undefined ? [] : [option.short])]);
  expect(new Set(names).size).toBe(names.length);
  const kinds = Object.values(spec.arguments).map((argument) => argument.kind);
  expect(kinds.slice(0, -1)).not.toContain('rest');
});

test('every group has commands, and every first word of two is a group', () => {
  const firstWords = COMMAND_NAMES.filter((name) => name.includes(' ')).map((name) => name.split(' ')[0]);
  expect([...new Set(firstWords)].sort()).toEqual(Object.keys(GROUPS).sort());
});

test('every exit status of an error is documented', () => {
  const documented = EXIT_STATUSES.map(([status]) => status);
  for (const status of new Set(Object.values(ERROR_EXIT_STATUS))) {
    expect(status > 128 ? '128+N' : String(status)).toSatisfy((text: string) => documented.includes(text));
  }
});
