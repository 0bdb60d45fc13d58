import { expect, test } from 'vitest';
import { FILE_KINDS, reEntryOf } from '../../../src/review/index.ts';
import { checkReEntry } from '../../../src/tasks/re-entry.ts';

test('every kind that runs on this machine is found where it lands, also below another directory', () => {
  for (const { id, when, examples } of FILE_KINDS) {
    for (const example of examples) {
      const found = reEntryOf([{ path: `/home/ada/shop/${example}`, executable: false }]).map(({ kind }) => kind);
      if (when !== 'ci') expect([id, example, found.length]).toEqual([id, example, 1]);
    }
  }
});

test('plain data is not listed, a program is', () => {
  expect(reEntryOf([{ path: '/home/ada/shop/report.csv', executable: false }])).toEqual([]);
  expect(reEntryOf([{ path: '/home/ada/shop/report', executable: true }])).toMatchObject([{ kind: 'executable' }]);
});

test('a copy that would run is refused unasked, by the name that it gets', async () => {
  const files = [{ path: '', executable: false }];
  await expect(checkReEntry('/home/ada/.envrc')(files)).rejects.toMatchObject({
    code: 'COPY_REFUSED',
    message: expect.stringContaining('.envrc'),
  });
  await expect(checkReEntry('/home/ada/notes.txt')(files)).resolves.toBeUndefined();
  await expect(checkReEntry('/home/ada/.envrc', async () => true)(files)).resolves.toBeUndefined();
  await expect(
    checkReEntry('/home/ada/x', async () => false)([{ path: '.git/hooks/pre-commit\u001b[2J', executable: true }]),
  ).rejects.toMatchObject({
    message: expect.stringContaining('pre-commit\\u{1b}[2J: git'),
  });
});
