// The suite of `podman.test.ts`, run a second time by an unprivileged user: each of its cases is reported here under its own name.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMachine } from '../../src/backends/oci/machine.ts';
import { patient } from '../../src/core/index.ts';
import { findTestImage, openTestHost } from '../integration/podman-fixture/test-bottle.ts';
import { createRootlessUser, giveImage, type RootlessUser, whyNoRootlessUser } from '../support/rootless.ts';

/** The whole suite with its copies of 1 GiB, on a slow machine. */
const SUITE_MS = patient(900_000);
/** What the whole run was told about this machine. */
const GIVEN = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^TEROK_(?:PATIENCE|LAB|TEST_SIZE_DIVISOR)$/.test(name)));

/** Cases of limits, which hold for a user whom `createRootlessUser` gave a control group. */
const LIMITS = /^F(25|54|55|56) /;

const required = process.env.TEROK_REQUIRE_PODMAN_ROOTLESS === '1';
const reason = await whyNoRootlessUser();
if (reason !== undefined) console.log(`podman rootless: skipped, ${reason}`);
if (reason !== undefined && required) throw new Error(`TEROK_REQUIRE_PODMAN_ROOTLESS=1, but ${reason}`);

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string; readonly failureMessages: readonly string[] }[];
  }[];
}

describe.skipIf(reason !== undefined)('podman rootless', () => {
  let user: RootlessUser;

  beforeAll(async () => {
    user = await createRootlessUser();
  });

  afterAll(() => user?.[Symbol.asyncDispose]());

  test('an unprivileged user gets the same behaviour in every case', { timeout: SUITE_MS + 120_000 }, async (context) => {
    const image = await givenImage(user);
    if ('unavailable' in image) {
      if (required) throw new Error(image.unavailable);
      return context.skip(image.unavailable);
    }
    const output = path.join(user.home, 'report.json');
    const vitest = [
      user.node,
      `${user.repository}/node_modules/vitest/vitest.mjs`,
      'run',
      '--root',
      user.repository,
      '--config',
      `${user.repository}/vitest.config.ts`,
      '--configLoader',
      'runner',
      '--project',
      'conformance',
    ];
    const filter = process.env.TEROK_CONFORMANCE_FILTER === undefined ? [] : ['-t', process.env.TEROK_CONFORMANCE_FILTER];
    const argv = [...vitest, 'tests/conformance/podman.test.ts', '--reporter=json', `--outputFile=${output}`, ...filter];
    const env = { ...GIVEN, TEROK_REQUIRE_PODMAN: '1', TEROK_TEST_IMAGE: image.reference, TMPDIR: user.home, NODE_NO_WARNINGS: '1' };
    const ended = await user.run(argv, { timeoutMs: SUITE_MS, env });
    const text = await readFile(output, 'utf8').catch(() => undefined);
    if (text === undefined)
      throw new Error(
        `The suite of the user gave no report: ${ended.stdout.toString().slice(-2000)}${ended.stderr.toString().slice(-2000)}`,
      );
    const results = (JSON.parse(text) as Report).testResults.flatMap(({ assertionResults }) => assertionResults);
    const failed = results
      .filter(({ status }) => status === 'failed')
      .map(({ title, failureMessages }) => `${title}: ${failureMessages[0]?.slice(0, 2000)}`);
    const withoutProof = results.filter(({ title, status }) => LIMITS.test(title) && status !== 'passed').map(({ title }) => title);
    const { cgroups, systemd } = await readMachine();
    if (cgroups === 'v2' && !systemd) expect(withoutProof).toEqual([]);
    const count = (status: string): number => results.filter((result) => result.status === status).length;
    console.log(`podman rootless: ${count('passed')} passed, ${failed.length} failed, ${count('skipped') + count('pending')} skipped`);
    expect(failed).toEqual([]);
    expect(count('passed')).toBeGreaterThan(0);
  });
});

/** Root's test image, loaded into the user's own store. */
async function givenImage(user: RootlessUser): Promise<{ readonly reference: string } | { readonly unavailable: string }> {
  await using host = await openTestHost({ image: '' });
  const found = await findTestImage(host.backend);
  if ('reason' in found) return { unavailable: found.reason };
  await giveImage(user, found.image);
  return { reference: found.image };
}
