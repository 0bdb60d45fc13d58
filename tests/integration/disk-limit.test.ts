// A limit of the disk holds where Podman's storage is on XFS with project quotas: here on one of its own, in a file.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPodmanHost } from '../../src/backends/oci/index.ts';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { patient, resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { findTestImage, openTestHost, outputOf, type TestHost, withBottle } from './podman-fixture/test-bottle.ts';

const run = promisify(execFile);
const STORAGE_MIB = 640;
const DISK_MIB = 128;

interface Storage extends AsyncDisposable {
  readonly configuration: string;
}

const storage = await openStorage();

describeUnless('reason' in storage ? storage.reason : undefined, 'a limit of the disk', () => {
  let host: TestHost;

  beforeAll(async () => {
    const env = { CONTAINERS_STORAGE_CONF: 'configuration' in storage ? storage.configuration : '' };
    const found = await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: { ...process.env, ...env } }));
    if ('reason' in found) throw new Error(found.reason);
    host = await openTestHost({ image: found.image, env });
  }, patient(60_000));

  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    if ('configuration' in storage) await storage[Symbol.asyncDispose]();
  }, patient(60_000));

  it('stops a bottle that fills its disk, and no other', { timeout: patient(120_000) }, async () => {
    const fill = ['sh', '-c', `head -c ${2 * DISK_MIB}M /dev/zero >~/large; echo $?; stat -c %s ~/large`];
    await withBottle(host, async (unlimited) => {
      expect((await outputOf(unlimited, fill)).split('\n')[0]).toBe('0');
      await outputOf(unlimited, ['rm', '/home/agent/large']);
      await withBottle(
        host,
        async (limited, plan) => {
          expect(plan.missingLimits).not.toContain('disk');
          const [status, size] = (await outputOf(limited, fill)).split('\n');
          expect(status).not.toBe('0');
          expect(Number(size)).toBeLessThanOrEqual(DISK_MIB * 1024 * 1024);
          expect(await outputOf(unlimited, ['sh', '-c', 'head -c 1M /dev/zero >~/small; stat -c %s ~/small'])).toBe('1048576\n');
          expect(await outputOf(limited, ['sh', '-c', 'rm ~/large; echo alive >~/small; cat ~/small'])).toBe('alive\n');
        },
        { limits: { memoryMiB: 256, cpus: 0.5, pids: 150, files: 2048, diskMiB: DISK_MIB } },
      );
    });
  });
});

/** Storage for Podman on a file system with quotas, where the images of its usual storage can be used too; or why there is none. */
async function openStorage(): Promise<Storage | { readonly reason: string }> {
  if (process.getuid?.() !== 0) return { reason: 'mounting a file system needs root' };
  // not in /tmp: what a bottle writes to a file in memory counts as its memory
  const root = await mkdtemp('/var/tmp/terok-quota-');
  const [disk, mounted, configuration] = ['disk', 'mounted', 'storage.conf'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  const close = async (): Promise<void> => {
    await run('umount', ['--lazy', mounted]).catch(() => undefined);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await writeFile(disk, '');
    await truncate(disk, STORAGE_MIB * 1024 * 1024);
    await run('mkfs.xfs', ['-q', disk]);
    // a kernel with modules finds them by itself, but for the first of all loop devices
    await run('modprobe', ['loop']).catch(() => undefined);
    await run('mount', ['--mkdir', '-o', 'loop,prjquota', disk, mounted]);
    await writeFile(configuration, await configurationFor(mounted, path.join(root, 'run')));
    return { configuration, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    return {
      reason: `there are no project quotas: ${error instanceof Error ? error.message.trim().replaceAll('\n', ' ') : String(error)}`,
    };
  }
}

async function configurationFor(graphRoot: string, runRoot: string): Promise<string> {
  const { facts } = await createPodmanHost({ env: process.env, runtimeDir: resolvePaths().runtime });
  const options = `[storage.options]\nadditionalimagestores = [${JSON.stringify(facts.graphRoot)}]\n`;
  return `[storage]\ndriver = "overlay"\ngraphroot = ${JSON.stringify(graphRoot)}\nrunroot = ${JSON.stringify(runRoot)}\n${options}`;
}
