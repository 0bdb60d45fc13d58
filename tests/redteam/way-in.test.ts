/*
 * What a hostile agent does to the way into its own bottle; attacks on the way out are the rows of `terok redteam egress`. The positive
 * control: root of the bottle, who runs the SSH server, can do the same.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Bottle } from '../../src/core/index.ts';
import { freshSlug } from '../conformance/describe-backend.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { shOutput } from '../conformance/support/in-bottle.ts';
import { openPodmanFixture } from '../support/podman-fixture.ts';

let fixture: BackendUnderTest | { readonly unavailable: string };
let bottle: Bottle;

beforeAll(async () => {
  fixture = await openPodmanFixture({ freshSlug });
  if (!('unavailable' in fixture)) bottle = await fixture.launch();
});
beforeEach((context) => {
  if ('unavailable' in fixture) context.skip(fixture.unavailable);
});
afterAll(async () => {
  if (!('unavailable' in fixture)) await fixture.cleanup();
});

function audit(): Record<string, unknown>[] {
  const file = path.join(bottle.plan.stateDir, 'audit.jsonl');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a hostile agent', () => {
  test('can neither take the place of the SSH server nor fill the line to it, while init can', async () => {
    const dial = 'exec 3<>/dev/tcp/198.18.0.1/2022 && { read -r -t 1 -N 1 -u 3 word; (( $? > 128 )) && echo waits || echo cut; }';
    const as = (user: 'agent' | 'root') => bottle.exec(['bash', '-c', dial], { user, timeoutMs: 10_000 });
    expect((await as('root')).stdout.toString().trim()).toBe('waits');
    expect((await as('agent')).stdout.toString().trim()).toBe('cut');
    const flood = `for i in {1..60}; do exec {c}<>/dev/tcp/198.18.0.1/2022; echo 'SSH-2.0-impostor' >&$c; done; sleep 1`;
    await bottle.exec(['bash', '-c', flood], { timeoutMs: 20_000 });
    expect(audit().filter(({ kind, decision }) => kind === 'control' && decision === 'deny').length).toBeGreaterThan(0);
    expect(await shOutput(bottle, 'echo still there')).toBe('still there');
  });
});
