// The rows of `rows.test.ts`, run a second time by an unprivileged user with the built command line: each is reported under its own name.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadSuite, type Scorecard, SUITE_NAMES } from '../../src/redteam/index.ts';
import { createRootlessUser, giveImage, type RootlessUser, whyNoRootlessUser } from '../support/rootless.ts';

/** All rows on a slow machine. */
const SUITE_MS = 900_000;

const required = process.env.TEROK_REQUIRE_PODMAN_ROOTLESS === '1';
const image = process.env['TEROK_TEST_IMAGE'] ?? '';
const reason = (await whyNoRootlessUser()) ?? (image === '' ? 'there is no test image, because Podman cannot be used' : undefined);
if (reason !== undefined && required) throw new Error(`TEROK_REQUIRE_PODMAN_ROOTLESS=1, but ${reason}`);
const suites = await Promise.all(SUITE_NAMES.map(loadSuite));

let user: RootlessUser;

beforeAll(async () => {
  if (reason !== undefined) return;
  user = await createRootlessUser();
  await giveImage(user, image);
});
beforeEach((context) => {
  if (reason !== undefined) context.skip(reason);
});
afterAll(async () => {
  await user?.[Symbol.asyncDispose]();
});

describe.each(suites)('terok redteam $name as an unprivileged user', ({ name, rows }) => {
  let scorecard: Scorecard;

  beforeAll(async () => {
    if (reason !== undefined) return;
    const argv = [user.node, `${user.repository}/bin/terok.mjs`, 'redteam', name, '--image', image, '--json', '--quiet'];
    const { stdout, stderr } = await user.run(argv, { timeoutMs: SUITE_MS });
    try {
      scorecard = JSON.parse(stdout.toString()) as Scorecard;
    } catch (error) {
      throw new Error(`No scorecard: ${stdout.toString().slice(-2_000)}${stderr.toString().slice(-2_000)}`, { cause: error });
    }
  }, SUITE_MS);

  test.for(rows)('$id $title', ({ id }, context) => {
    const result = scorecard.rows.find((row) => row.id === id);
    if (result === undefined) throw new Error(`The scorecard has no row ${id}.`);
    const { verdict, reason: why, failed, observations } = result;
    if (failed || verdict === 'broken') expect({ verdict, why, observations }).toBe('held');
    if (verdict !== 'held') context.skip(`${verdict}: ${why}`);
  });
});
