import { stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { type BottlePlan, type ProbeReport, resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { createRootlessUser, giveImage, type RootlessUser, whyNoRootlessUser } from '../support/rootless.ts';
import { findTestImage } from './podman-fixture/test-bottle.ts';

const reason = await whyNoRootlessUser();
const found = reason === undefined ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env })) : { reason };
const hybrid = await stat('/sys/fs/cgroup/unified').then(
  () => true,
  () => false,
);

const fixture = (user: RootlessUser, name: string): string => path.join(user.repository, 'tests/integration/podman-fixture', name);

interface Report {
  readonly probe: ProbeReport;
  readonly refusal: { readonly code: string; readonly message: string };
  readonly plan: BottlePlan;
  readonly facts: Readonly<Record<string, string>>;
  readonly stopped: string;
  readonly afterStart: string;
  readonly left: readonly unknown[];
}

describeUnless('reason' in found ? found.reason : undefined, 'a rootless bottle', () => {
  let user: RootlessUser;
  let report: Report;

  beforeAll(async () => {
    user = await createRootlessUser();
    const image = 'image' in found ? found.image : '';
    await giveImage(user, image);
    const result = await user.run([user.node, fixture(user, 'rootless-program.ts'), image, path.join(user.home, 'terok')]);
    if (result.exitCode !== 0) throw new Error(`the program of the user failed: ${result.stderr.toString()}`);
    report = JSON.parse(result.stdout.toString()) as Report;
  });

  afterAll(async () => {
    await user?.[Symbol.asyncDispose]();
  });

  it('is possible, and says what is weaker', () => {
    expect(report.probe.state).toBe('available');
  });

  it('does not start without limits that nobody allowed to be missing', (context) => {
    if (report.plan.missingLimits.length === 0) context.skip('this host enforces all limits for users');
    expect(report.refusal.code).toBe('LIMIT_UNENFORCEABLE');
    for (const limit of report.plan.missingLimits) expect(report.refusal.message).toContain(limit);
  });

  it('starts when the missing limits are allowed by name, and the plan says which', (context) => {
    if (!hybrid) context.skip('only where cgroup v1 gives users no controllers');
    expect(report.plan.missingLimits).toEqual(['memory', 'cpus', 'pids']);
  });

  it('is as confined as a rootful one, in a user namespace', () => {
    const { facts } = report;
    expect(facts.status).toMatch(/^CapBnd:\t00000000000400eb$/m);
    expect(facts.status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(facts.status).toMatch(/^Seccomp:\t2$/m);
    expect(facts.uidMap?.trim().split(/\s+/)[1]).not.toBe('0');
    expect([facts.alg, facts.packet, facts.unshare]).toEqual(['97', '97', '1']);
    expect(facts.resolver).toBe('nameserver 198.18.0.1\n');
    expect(facts.id).toBe('agent\n');
  });

  it('gets seeds of root and of the agent', () => {
    expect(report.facts.seed).toBe('seeded agent 600\n');
  });

  it('stops, starts and goes away', () => {
    expect(report.stopped).toBe('stopped');
    expect(report.afterStart).toBe('seeded');
    expect(report.left).toEqual([]);
  });
});

describeUnless(reason, 'the probe of a user', () => {
  const probe = async (
    user: RootlessUser,
    options: Parameters<RootlessUser['run']>[1] = {},
    search: string = process.env.PATH ?? '',
  ): Promise<ProbeReport> => {
    const result = await user.run(['env', `PATH=${search}`, user.node, fixture(user, 'probe-program.ts')], options);
    if (result.exitCode !== 0) throw new Error(result.stderr.toString());
    return JSON.parse(result.stdout.toString()) as ProbeReport;
  };
  const codesOf = (report: ProbeReport): string[] => (report.state === 'available' ? [] : report.findings.map(({ code }) => code));

  it('names a missing range of subordinate ids', async () => {
    await using user = await createRootlessUser({ subordinateIds: false });
    const report = await probe(user);
    expect(report.state).toBe('broken');
    expect(codesOf(report)).toEqual(['SUBID_MISSING', 'SUBID_MISSING']);
    expect(JSON.stringify(report)).toContain('usermod --add-subuids');
  });

  it('names missing programs and cgroups that only root can hide', async (context) => {
    await using user = await createRootlessUser();
    const bare = await probe(user, {}, '/nonexistent');
    expect([bare.state, ...codesOf(bare)]).toEqual(['absent', 'PODMAN_MISSING']);
    if (!hybrid) context.skip('this host has no hybrid cgroups');
    const report = await probe(user, { hostMounts: true });
    expect(codesOf(report)).toEqual(['HYBRID_CGROUPS']);
  });
});
