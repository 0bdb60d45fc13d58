import { expect, test } from 'vitest';
import { openFlaws } from '../../../src/redteam/git/git-flaws.ts';

test.each([
  ['git version 2.50.1', []],
  ['git version 2.47.3', []],
  ['git version 2.51.0.rc1', []],
  ['git version 3.0.0', []],
  ['git version 2.47.2', ['CVE-2025-48384', 'CVE-2025-48385, -48386']],
  // No release of the lines 2.39 and 2.42 closed the later ones
  ['git version 2.39.5', ['CVE-2024-50349, -52006', 'CVE-2025-48384', 'CVE-2025-48385, -48386']],
  ['git version 2.42.4', ['CVE-2025-48384', 'CVE-2025-48385, -48386']],
])('%s has by its number %j', (text, ids) => {
  expect(openFlaws(text).map(({ id }) => id)).toEqual(ids);
});

test('a version that cannot be read has all of them', () => {
  expect(openFlaws('git of somebody')).toHaveLength(openFlaws('git version 1.0.0').length);
});
