import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { type Bottle, resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { makeTestNetwork, type TestNetwork } from './podman-fixture/network.ts';
import { findTestImage, openTestHost, outputOf, type TestHost } from './podman-fixture/test-bottle.ts';

const found =
  process.getuid?.() === 0
    ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }))
    : { reason: 'rootful Podman needs root' };

describeUnless('reason' in found ? found.reason : undefined, 'a bottle whose image has no SSH server', () => {
  const reference = 'localhost/terok-podman-test:no-ssh';
  let dir: string;
  let host: TestHost;
  let network: TestNetwork;
  let bottle: Bottle;

  beforeAll(async () => {
    dir = await mkdtemp('/tmp/tpb-api-');
    host = await openTestHost({ image: reference });
    await writeFile(path.join(dir, 'Containerfile'), `FROM ${'image' in found ? found.image : ''}\nRUN rm /usr/sbin/sshd\n`);
    await host.backend.images.build({ contextDir: dir, reference, labels: {} });
    const plan = await host.plan();
    network = await makeTestNetwork(plan);
    bottle = await host.launch(plan, network);
  });

  afterAll(async () => {
    await bottle?.[Symbol.asyncDispose]();
    await host?.backend.remove(bottle?.id ?? '');
    await network?.[Symbol.asyncDispose]();
    await host?.backend.images.remove(reference);
    await host?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it('really has none', async () => {
    expect((await bottle.exec(['test', '-e', '/usr/sbin/sshd'])).status).toEqual({ kind: 'exited', code: 1 });
  });

  it("runs commands with exit code, both outputs and the bottle's environment", async () => {
    const result = await bottle.exec(['sh', '-c', 'echo out; echo err >&2; printf %s "$GREETING $EXTRA"; exit 7'], {
      env: { EXTRA: 'a\nb\'"' },
    });
    expect(result.status).toEqual({ kind: 'exited', code: 7 });
    expect(result.stdout.toString()).toBe('out\nhello a\nb\'"');
    expect(result.stderr.toString()).toBe('err\n');
  });

  it('runs as the agent at home, and as root when asked', async () => {
    expect(await outputOf(bottle, ['sh', '-c', 'id -un; pwd; echo $HOME'])).toBe('agent\n/home/agent\n/home/agent\n');
    expect(await outputOf(bottle, ['id', '-u'], { user: 'root' })).toBe('0\n');
    const status = await outputOf(bottle, ['cat', '/proc/self/status']);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
  });

  it('carries binary input and output', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    const result = await bottle.exec(['cat'], { input: bytes });
    expect(result.stdout.equals(bytes)).toBe(true);
  });

  it('says that a command does not exist', async () => {
    await expect(bottle.exec(['no-such-command'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('gives a terminal of the asked size, and resizes it', async () => {
    const process = await bottle.spawn(['sh', '-c', 'read line; stty size; read line; stty size'], { terminal: { columns: 91, rows: 31 } });
    let text = '';
    process.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    process.stdin.write('\n');
    await expect.poll(() => text, { timeout: 5_000 }).toContain('31 91');
    process.resize({ columns: 133, rows: 40 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.stdin.write('\n');
    await expect.poll(() => text, { timeout: 5_000 }).toContain('40 133');
    expect((await process.exited).kind).toBe('exited');
  });

  it('kills the whole tree of a command that runs out of time', async () => {
    const result = await bottle.exec(['sh', '-c', 'setsid sleep 4712 & sleep 4712'], { timeoutMs: 1_000 });
    expect(result.status).toEqual({ kind: 'timedOut' });
    expect((await bottle.exec(['pgrep', '-f', 'sleep 4712'])).stdout.toString()).toBe('');
  });

  it('copies in and out', async () => {
    const source = path.join(dir, 'source');
    await writeFile(source, 'copied');
    await bottle.copyIn(source, '/home/agent/there');
    expect(await outputOf(bottle, ['stat', '-c', '%U', '/home/agent/there'])).toBe('agent\n');
    await bottle.copyOut('/home/agent/there', path.join(dir, 'back'));
    expect(await readFile(path.join(dir, 'back'), 'utf8')).toBe('copied');
  });

  it('runs twenty commands at once', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => bottle.exec(['sh', '-c', `exit ${index}`])));
    expect(results.map(({ status }) => (status.kind === 'exited' ? status.code : -1))).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    );
  });

  it('stops and starts', async () => {
    await bottle.stop({ graceMs: 3_000 });
    expect(await bottle.status()).toBe('stopped');
    await bottle.start();
    expect(await outputOf(bottle, ['cat', '/home/agent/there'])).toBe('copied');
  });
});
