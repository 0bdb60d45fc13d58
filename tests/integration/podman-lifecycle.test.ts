import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { isTerokError, resolvePaths, TerokError } from '../../src/core/index.ts';
import { waitUntil } from '../conformance/support/in-bottle.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { makeTestNetwork } from './podman-fixture/network.ts';
import { findTestImage, openTestHost, outputOf, type TestHost, withBottle } from './podman-fixture/test-bottle.ts';

const found =
  process.getuid?.() === 0
    ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }))
    : { reason: 'rootful Podman needs root' };
const image = 'image' in found ? found.image : '';

async function failureOf(work: Promise<unknown>): Promise<TerokError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (isTerokError(error)) return error;
  throw new Error(`expected a TerokError, got ${String(error)}`);
}

describeUnless('reason' in found ? found.reason : undefined, 'the life of a rootful bottle', () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await openTestHost({ image });
  });

  afterEach(async () => {
    // a test that failed must not make the next one fail
    for (const { id } of await host.backend.list()) await host.backend.remove(id);
  });

  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
  });

  const conmonOf = async (name: string): Promise<number> =>
    Number(await readFile((await host.podman.call('inspect', ['inspect', '--format', '{{.ConmonPidFile}}', name])).trim(), 'utf8'));

  it('tells of each phase in turn, and seals before the first process', async () => {
    const plan = await host.plan();
    await using network = await makeTestNetwork(plan);
    const phases: string[] = [];
    const bottle = await host.backend.launch(plan, {
      network,
      seeds: [{ path: '/home/agent/.seed', content: 'from the host', mode: 0o640, owner: 'agent' }],
      onPhase: async (phase) => {
        const state = await host.podman.call('inspect', ['inspect', '--format', '{{.State.Status}}', plan.runtimeName]);
        phases.push(`${phase}: ${state.trim()}`);
      },
    });
    expect(phases).toEqual(['created: created', 'sealed: initialized']);
    expect(await outputOf(bottle, ['sh', '-c', 'cat ~/.seed; stat -c " %U %a" ~/.seed; stat -c "%U %a" ~'])).toBe(
      'from the host agent 640\nagent 700\n',
    );
    expect(await host.backend.list()).toEqual([{ id: plan.spec.slug, status: 'running' }]);
    await bottle[Symbol.asyncDispose]();
    await host.backend.remove(plan.spec.slug);
    expect(await host.backend.list()).toEqual([]);
  });

  it('keeps files and loses processes over stop and start', async () => {
    await withBottle(host, async (bottle, plan, network) => {
      await outputOf(bottle, ['sh', '-c', 'echo kept > ~/kept; setsid sleep 4711 >/dev/null 2>&1 &']);
      await bottle.stop({ graceMs: 3_000 });
      expect(await bottle.status()).toBe('stopped');
      await bottle.stop();
      await bottle.start();
      await bottle.start();
      expect(await outputOf(bottle, ['cat', '/home/agent/kept'])).toBe('kept\n');
      expect((await bottle.exec(['pgrep', '-f', '4711'])).stdout.toString()).toBe('');
      expect(await outputOf(bottle, ['cat', '/etc/resolv.conf'])).toBe('nameserver 198.18.0.1\n');
      const again = await host.backend.open(plan, network);
      expect(await outputOf(again, ['echo', 'again'])).toBe('again\n');
      await again[Symbol.asyncDispose]();
    });
  });

  it('starts after a crash of the first process', async () => {
    await withBottle(host, async (bottle, plan) => {
      const pid = Number(await host.podman.call('inspect', ['inspect', '--format', '{{.State.Pid}}', plan.runtimeName]));
      process.kill(pid, 'SIGKILL');
      for (let attempt = 0; attempt < 50 && (await bottle.status()) === 'running'; attempt += 1) await sleep(100);
      expect(await bottle.status()).toBe('stopped');
      await bottle.start();
      expect(await outputOf(bottle, ['echo', 'back'])).toBe('back\n');
    });
  });

  it('stops within its grace although the agent ignores TERM', async () => {
    await withBottle(host, async (bottle) => {
      const stubborn = await bottle.spawn(['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 1; done']);
      await new Promise((resolve) => stubborn.stdout.once('data', resolve));
      const started = performance.now();
      await bottle.stop({ graceMs: 1_000 });
      expect(performance.now() - started).toBeLessThan(5_000);
      expect(await bottle.status()).toBe('stopped');
    });
  });

  it('removes a bottle whose monitor was killed', async () => {
    await withBottle(host, async (_bottle, plan) => {
      process.kill(await conmonOf(plan.runtimeName), 'SIGKILL');
      await host.backend.remove(plan.spec.slug);
      expect(await host.backend.list()).toEqual([]);
      expect((await host.podman.run(['container', 'exists', plan.runtimeName])).exitCode).toBe(1);
    });
  });

  it.each(['created', 'sealed'] as const)('leaves nothing when the launch fails after `%s`', async (last) => {
    const plan = await host.plan();
    await using network = await makeTestNetwork(plan);
    const error = await failureOf(
      host.backend.launch(plan, {
        network,
        seeds: [],
        onPhase: async (phase) => {
          if (phase === last) throw new TerokError('STATE_CORRUPT', 'the record broke');
        },
      }),
    );
    expect(error.code).toBe('STATE_CORRUPT');
    expect(await host.backend.list()).toEqual([]);
  });

  it('removes a container that was only created, and one that does not exist', async () => {
    const plan = await host.plan();
    await using network = await makeTestNetwork(plan);
    const abandoned = host.backend.launch(plan, { network, seeds: [], onPhase: () => new Promise(() => undefined) });
    abandoned.catch(() => undefined);
    for (let attempt = 0; attempt < 100 && (await host.backend.list()).length === 0; attempt += 1) await sleep(50);
    expect(await host.backend.list()).toEqual([{ id: plan.spec.slug, status: 'created' }]);
    await host.backend.remove(plan.spec.slug);
    await host.backend.remove(plan.spec.slug);
    expect(await host.backend.list()).toEqual([]);
  });

  it('does not touch containers of another terok, also one of the same name', async () => {
    await using other = await openTestHost({ image });
    await withBottle(host, async (bottle, plan) => {
      expect(await other.backend.list()).toEqual([]);
      await other.backend.remove(plan.spec.slug);
      expect(await bottle.status()).toBe('running');
      const rival = await other.plan({ slug: plan.spec.slug });
      await using network = await makeTestNetwork(rival);
      await using beside = await other.launch(rival, network);
      expect(await outputOf(beside, ['echo', 'beside'])).toBe('beside\n');
      await other.backend.remove(plan.spec.slug);
      expect(await outputOf(bottle, ['echo', 'alive'])).toBe('alive\n');
    });
  });

  it('launches five bottles at once', async () => {
    const greetings = await Promise.all(Array.from({ length: 5 }, () => withBottle(host, (bottle) => outputOf(bottle, ['hostname']))));
    expect(new Set(greetings).size).toBe(5);
    expect(await host.backend.list()).toEqual([]);
  });

  it("refuses a network that is the host's own", async () => {
    const plan = await host.plan();
    await using network = await makeTestNetwork(plan);
    const error = await failureOf(
      host.launch(plan, { ...network, namespacePath: `/proc/${process.pid}/ns/net`, [Symbol.asyncDispose]: async () => undefined }),
    );
    expect(error.code).toBe('REFUSED');
    expect(error.message).toContain('network of the host');
    expect(await host.backend.list()).toEqual([]);
  });

  it('waits for the network before it starts anything, and cleans up when the network fails', async () => {
    const plan = await host.plan();
    await using network = await makeTestNetwork(plan);
    const ready = sleep(300).then(() => Promise.reject(new TerokError('GATEWAY_FAILED', 'no listeners')));
    const error = await failureOf(host.launch(plan, { ...network, ready, [Symbol.asyncDispose]: async () => undefined }));
    expect(error.code).toBe('GATEWAY_FAILED');
    expect(await host.backend.list()).toEqual([]);
  });

  it('says that an image is missing, and never pulls', async () => {
    const plan = await host.plan({ image: 'localhost/no-such-image:ever' });
    await using network = await makeTestNetwork(plan);
    const error = await failureOf(host.launch(plan, network));
    expect(error.code).toBe('IMAGE_UNAVAILABLE');
    expect(error.hint).toContain('terok image build');
  });

  it('refuses an image that carries a checkpoint annotation', async () => {
    const reference = 'localhost/terok-podman-test:checkpoint';
    const dir = await mkdtemp('/tmp/tpb-image-');
    try {
      await writeFile(path.join(dir, 'Containerfile'), `FROM ${image}\n`);
      const name = 'io.podman.annotations.checkpoint.runtime.name=crun';
      await host.podman.call('build', [
        'build',
        '--network',
        'none',
        '--annotation',
        name,
        '--file',
        path.join(dir, 'Containerfile'),
        '--tag',
        reference,
        dir,
      ]);
      const plan = await host.plan({ image: reference });
      await using network = await makeTestNetwork(plan);
      const error = await failureOf(host.launch(plan, network));
      expect(error.code).toBe('REFUSED');
      expect(error.message).toContain('io.podman.annotations.checkpoint.runtime.name');
      expect(await host.backend.list()).toEqual([]);
    } finally {
      await host.backend.images.remove(reference);
      await host.backend.images.remove(reference);
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('refuses a container that a containers.conf opened to the host, naming what is wrong', async () => {
    const dir = await mkdtemp('/tmp/tpb-conf-');
    const conf = path.join(dir, 'containers.conf');
    await mkdir(path.join(dir, 'shared'));
    await writeFile(path.join(dir, 'shared/secret'), 'of the host');
    await writeFile(conf, `[containers]\nvolumes = ["${dir}/shared:/host-files"]\nenv = [\n  "LEAK=1",\n]\n`);
    try {
      await using opened = await openTestHost({ image, env: { CONTAINERS_CONF: conf } });
      const plain = await opened.podman.run([
        'run',
        '--rm',
        '--pull=never',
        '--network',
        'none',
        '--ulimit',
        'nofile=1024:1024',
        '--ulimit',
        'nproc=1024:1024',
        image,
        'cat',
        '/host-files/secret',
      ]);
      expect(plain.stdout.toString()).toBe('of the host');
      const plan = await opened.plan();
      await using network = await makeTestNetwork(plan);
      const error = await failureOf(opened.launch(plan, network));
      expect(error.code).toBe('REFUSED');
      expect(error.message).toContain('/host-files');
      expect(await opened.backend.list()).toEqual([]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('says at once that it does not run, where it ended under a command', async () => {
    await withBottle(host, async (bottle, plan) => {
      const work = await bottle.spawn(['sh', '-c', 'echo started; exec sleep 600']);
      await once(work.stdout, 'data');
      const pid = await host.podman.call('find it', ['container', 'inspect', '--format', '{{.State.Pid}}', plan.runtimeName]);
      process.kill(Number(pid), 'SIGKILL');
      expect(await work.exited).toMatchObject({ kind: 'lost' });
      // Podman's monitor takes a moment to write the end down
      await waitUntil(async () => (await bottle.status()) === 'stopped', 10_000, 'the bottle is stopped');
      expect((await failureOf(bottle.exec(['true']))).code).toBe('WRONG_STATE');
    });
  });

  it('gives the log of the first process, bounded', async () => {
    await withBottle(host, async (bottle) => {
      const chunks: Buffer[] = [];
      for await (const chunk of await bottle.logs()) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).length).toBeLessThan(4 * 1024 * 1024);
    });
  });
});
