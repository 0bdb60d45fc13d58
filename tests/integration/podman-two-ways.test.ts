import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { processesWith } from '../support/terok-cli.ts';
import { makeTestNetwork } from './podman-fixture/network.ts';
import { findTestImage, openTestHost, outputOf, withBottle } from './podman-fixture/test-bottle.ts';

const found =
  process.getuid?.() === 0
    ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }))
    : { reason: 'rootful Podman needs root' };
const image = 'image' in found ? found.image : '';

interface OciConfig {
  readonly process: { readonly env: string[]; readonly args: string[] };
  readonly mounts: { readonly destination: string; readonly type: string; readonly options: string[] }[];
  readonly linux: { readonly namespaces: { readonly type: string }[] };
}

describeUnless('reason' in found ? found.reason : undefined, 'Podman as a service and Podman as a program', () => {
  let dir: string;
  /** The base image has no variables of its own; images of agents have */
  const withVariable = `localhost/terok-test/variable:${process.pid}`;

  beforeAll(async () => {
    dir = await mkdtemp('/tmp/tpb-');
    const script = '#!/bin/sh\n[ "$1 $2" = "system service" ] && exit 1\nexec /usr/bin/podman "$@"\n';
    await writeFile(path.join(dir, 'podman'), script);
    await chmod(path.join(dir, 'podman'), 0o755);
    await writeFile(path.join(dir, 'Containerfile'), `FROM ${image}\nENV LANG=C.UTF-8\n`);
    await using host = await openTestHost({ image });
    await host.podman.call('build', ['build', '--quiet', '--tag', withVariable, dir]);
  });

  afterAll(async () => {
    await using host = await openTestHost({ image });
    await host.podman.call('remove', ['rmi', '--force', withVariable]);
    await rm(dir, { recursive: true, force: true });
  });

  /** What of the runtime's configuration is not a name or a time of this one container. */
  async function configOf(searchPath: string): Promise<object> {
    await using host = await openTestHost({ image: withVariable, env: { PATH: searchPath } });
    return await withBottle(host, async (bottle, plan) => {
      expect(await outputOf(bottle, ['echo', 'up'])).toBe('up\n');
      const file = await host.podman.call('inspect', ['inspect', '--format', '{{.OCIConfigPath}}', plan.runtimeName]);
      const config = JSON.parse(await readFile(file.trim(), 'utf8')) as OciConfig;
      const { process, mounts, linux, ...rest } = config;
      return {
        ...rest,
        hostname: undefined,
        root: undefined,
        annotations: undefined,
        process: { ...process, env: process.env.filter((entry) => !/^(HOSTNAME|container)=/.test(entry)).toSorted() },
        mounts: mounts
          .map(({ destination, type, options }) => ({ destination, type, options: options.toSorted() }))
          .toSorted(byDestination),
        linux: { ...linux, cgroupsPath: undefined, namespaces: linux.namespaces.map(({ type }) => type) },
      };
    });
  }

  it('make the same container', async () => {
    const service = await configOf(process.env['PATH'] ?? '');
    const program = await configOf(`${dir}:${process.env['PATH']}`);
    expect(JSON.stringify(service)).toContain('"defaultErrnoRet"');
    expect(service).toEqual(program);
  });

  it.each(['service', 'program'])(
    'ask for the disk limit that was planned, so that a storage without quotas fails the launch: %s',
    async (way) => {
      await using host = await openTestHost({ image, env: { PATH: `${way === 'program' ? `${dir}:` : ''}${process.env['PATH']}` } });
      const limits = { memoryMiB: 256, cpus: 0.5, pids: 150, files: 2048, diskMiB: 128 };
      const plan = await host.plan({ limits, unenforcedLimits: ['disk'] });
      await using network = await makeTestNetwork(plan);
      const launch = host.launch({ ...plan, missingLimits: [] }, network);
      if (plan.missingLimits.length > 0) return await expect(launch).rejects.toThrow(/storage.opt|quota|backingFS/i);
      await using bottle = await launch;
      await expect(outputOf(bottle, ['sh', '-c', 'head -c 200M /dev/zero >~/large'])).rejects.toThrow(/No space left/);
    },
  );

  it('is started again where it ended or is about to end', async () => {
    await using host = await openTestHost({ image });
    const sockets = async (): Promise<string[]> => (await readdir(host.paths.runtime)).filter((name) => name.startsWith('api-'));
    await withBottle(host, (bottle) => outputOf(bottle, ['true']));
    const [first = ''] = await sockets();
    // the first thing that an idle service gives up
    await rm(path.join(host.paths.runtime, first));
    await withBottle(host, (bottle) => outputOf(bottle, ['true']));
    const [second = ''] = await sockets();
    expect(second).not.toBe(first);
    for (const { pid } of processesWith(second)) process.kill(pid, 'SIGKILL');
    expect(await withBottle(host, (bottle) => outputOf(bottle, ['echo', 'up']))).toBe('up\n');
  });
});

function byDestination(left: { readonly destination: string }, right: { readonly destination: string }): number {
  return left.destination < right.destination ? -1 : 1;
}
