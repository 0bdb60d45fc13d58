/*
 * Every row of `terok redteam`, one test each: broken is a failed test, not proven a skip with its reason. The rows are the list of
 * `src/redteam`; nothing is tried here that a user cannot try.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isTerokError } from '../../src/core/index.ts';
import { loadSuite, type OpenSuite, openSuite, SUITE_NAMES } from '../../src/redteam/index.ts';

const suites = await Promise.all(SUITE_NAMES.map(loadSuite));

describe.each(suites)('terok redteam $name', ({ name, rows }) => {
  let suite: OpenSuite;
  let unavailable: string | undefined;

  beforeAll(async () => {
    try {
      const image = process.env['TEROK_TEST_IMAGE'] ?? '';
      suite = await openSuite(name, image === '' ? {} : { image });
    } catch (error) {
      if (!isTerokError(error) || error.code !== 'BACKEND_UNAVAILABLE' || process.env.TEROK_REQUIRE_PODMAN === '1') throw error;
      unavailable = error.message;
    }
  });
  beforeEach((context) => {
    if (unavailable !== undefined) context.skip(unavailable);
  });
  afterAll(async () => {
    await suite?.[Symbol.asyncDispose]();
  });

  test.for(rows)('$id $title', { timeout: 240_000 }, async (row, context) => {
    const { verdict, reason, failed, observations } = await suite.run(row);
    expect({ verdict, failed, reason: failed || verdict === 'broken' ? reason : '', observations }).toEqual({
      verdict: expect.not.stringMatching('broken') as string,
      failed: false,
      reason: '',
      observations,
    });
    if (verdict !== 'held') context.skip(`${verdict}: ${reason}`);
  });

  test('has no two rows of one name', () => {
    const ids = rows.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
