import { describe, expect, test } from 'vitest';
import { FILE_KINDS, kindOf } from '../../../src/review/index.ts';

describe('the catalogue of files that run', () => {
  test('has at least 60 kinds beside those of CI, each with a name of its own', () => {
    expect(FILE_KINDS.filter(({ when }) => when !== 'ci').length).toBeGreaterThanOrEqual(60);
    expect(new Set(FILE_KINDS.map(({ id }) => id)).size).toBe(FILE_KINDS.length);
  });

  test.each(FILE_KINDS.flatMap(({ id, examples }) => examples.map((example) => [example, id] as const)))(
    '`%s` is of the kind %s',
    (example, id) => {
      expect(kindOf(example)?.id).toBe(id);
    },
  );

  test('every kind has an example and says who runs it and what that means', () => {
    for (const { examples, runs, why } of FILE_KINDS) {
      expect(examples.length).toBeGreaterThan(0);
      expect(runs).not.toBe('');
      expect(why).toMatch(/^[a-z]/);
    }
  });

  test.each([
    'README.md',
    'src/index.ts',
    'src/makefile-parser.ts',
    'docs/git.md',
    'lib/packages.json',
    'tests/package.json.ts',
    'src/.github-client.ts',
    'data/table.csv',
    'logo.png',
    'src/environment.ts',
    'src/profile.ts',
    'cmd/main.go',
  ])('`%s` is of no kind', (path) => {
    expect(kindOf(path)).toBeUndefined();
  });

  test.each([
    ['.GitHub/Workflows/CI.YML', 'github-workflow'],
    ['.vscode./tasks.json', 'vscode'],
    ['.env rc'.replace(' ', ''), 'direnv'],
    ['.g\u200cit/config', 'git-directory'],
    ['GIT~1/config', 'git-directory'],
    ['.git::$INDEX_ALLOCATION/config', 'git-directory'],
    ['ＭＡＫＥＦＩＬＥ', 'make'],
    ['.envrc ', 'direnv'],
  ])('`%s`, which a file system may take for another name, is of the kind %s', (path, id) => {
    expect(kindOf(path)?.id).toBe(id);
  });
});
