import { spawn } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImageStore, createPodmanHost, type PodmanHost, releaseCgroupNamespace } from '../../src/backends/oci/index.ts';
import { type ImageStore, runOrThrow } from '../../src/core/index.ts';
import { buildImages, type ImageAgent, type ImageRequest, listImages, pruneImages } from '../../src/images/index.ts';
import { createRegistry } from '../support/image-registry.ts';
import { type TemporaryPaths, temporaryPaths } from '../support/temporary-paths.ts';
import { listen } from './egress-harness.ts';

/** A tiny package with a program and no dependencies, so that these tests fetch little beside Node. */
const AGENT: ImageAgent = {
  name: 'semver',
  binary: 'semver',
  install: {
    npm: { package: 'semver', version: '7.8.6' },
    drop: [],
    postInstall: [['sh', '-c', 'echo "finished without network" > /opt/terok/finished']],
  },
  verify: [['node', '--version']],
};
const DEBIAN: ImageRequest = { base: { kind: 'debian' }, agents: [], sudo: false };
const MAX_BASE_BYTES = 260 * 1024 * 1024;

let temporary: TemporaryPaths;
let host: PodmanHost;
let store: ImageStore;
const made: string[] = [];

beforeAll(async () => {
  temporary = await temporaryPaths();
  host = await createPodmanHost({ env: process.env, runtimeDir: temporary.paths.runtime });
  store = createImageStore(async () => host);
});

afterAll(async () => {
  for (const reference of made) await store.remove(reference);
  await releaseCgroupNamespace(temporary.paths.runtime);
  await temporary[Symbol.asyncDispose]();
});

async function inImage(image: string, script: string): Promise<string> {
  return await host.call('look into the image', ['run', '--rm', '--network=none', '--pull=never', image, 'sh', '-c', script]);
}

async function build(request: ImageRequest) {
  const result = await buildImages({ store, request, paths: temporary.paths });
  for (const { reference, how } of result.layers) if (how === 'built') made.unshift(reference);
  return result;
}

describe('the base image from Debian', () => {
  it('has what a bottle needs, little else, and is built once', async () => {
    const first = await build(DEBIAN);
    const again = await build(DEBIAN);
    expect(again.layers).toEqual([{ ...first.layers[0], how: 'cached' }]);
    expect(first.layers[0]?.bytes).toBeLessThan(MAX_BASE_BYTES);
    const programs = 'bash curl git jq less ps python3 rg tar xz ip';
    expect(
      await inImage(
        first.reference,
        `for p in ${programs}; do command -v $p >/dev/null || echo missing $p; done; test -x /usr/sbin/sshd && echo sshd`,
      ),
    ).toBe('sshd\n');
    expect(await inImage(first.reference, 'getent passwd agent; stat -c "%U %a" /home/agent /work')).toBe(
      'agent:x:1000:1000:agent:/home/agent:/bin/sh\nagent 700\nagent 755\n',
    );
    expect(await inImage(first.reference, 'find / -xdev -type f -perm /6000; ls /etc/ssh | grep host_ || true')).toBe('');
  });
});

describe('a base image from elsewhere', () => {
  it('says what an archive lacks, and becomes a bottle’s base where nothing is missing', async () => {
    const { reference } = await build(DEBIAN);
    const contextDir = path.join(temporary.root, 'context');
    await mkdir(contextDir);
    await writeFile(
      path.join(contextDir, 'Containerfile'),
      `FROM ${reference}\nRUN rm /usr/bin/git /usr/sbin/sshd && sed -i /^agent:/d /etc/passwd && echo "node:x:1000:1000::/home/node:/bin/sh" >> /etc/passwd && chmod u+s /usr/bin/passwd\n`,
    );
    const lame = 'localhost/terok-images-test/lame:1';
    await store.build({ contextDir, reference: lame, labels: {} });
    made.unshift(lame);
    const archive = path.join(temporary.root, 'lame.tar');
    await host.call('save', ['save', '--format', 'oci-archive', '--output', archive, lame]);
    await expect(build({ ...DEBIAN, base: { kind: 'archive', file: archive } })).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
      message: expect.stringContaining('lacks `git`, `sshd`, which every bottle needs'),
    });
    await writeFile(
      path.join(contextDir, 'Containerfile'),
      `FROM ${lame}\nRUN ln -s /bin/true /usr/bin/git && ln -s /bin/true /usr/sbin/sshd\n`,
    );
    const sound = 'localhost/terok-images-test/sound:1';
    await store.build({ contextDir, reference: sound, labels: {} });
    made.unshift(sound);
    const rootfs = path.join(temporary.root, 'rootfs.tar');
    const container = (await host.call('create', ['create', '--pull=never', sound, 'true'])).trim();
    await host.call('export', ['export', '--output', rootfs, container]);
    await host.call('remove', ['rm', container]);
    const { reference: derived } = await build({ ...DEBIAN, base: { kind: 'rootfs', path: rootfs } });
    expect(await inImage(derived, 'getent passwd 1000; find / -xdev -type f -perm /6000')).toBe(
      'agent:x:1000:1000:agent:/home/agent:/bin/sh\n',
    );
  });

  it('comes from a registry that fails at first, and not where it has no such image', async () => {
    const { reference } = await build(DEBIAN);
    const saved = path.join(temporary.root, 'saved');
    await host.call('save', ['save', '--quiet', '--format', 'oci-dir', '--output', saved, reference]);
    const registry = createRegistry(saved, { failures: 1 });
    try {
      const name = `localhost:${await listen(registry)}`;
      const conf = path.join(temporary.root, 'registries.conf');
      await writeFile(conf, `[[registry]]\nlocation = "${name}"\ninsecure = true\n`);
      const env = { ...process.env, CONTAINERS_REGISTRIES_CONF: conf };
      const other = await createPodmanHost({ env, runtimeDir: temporary.paths.runtime });
      const fromRegistry = async (tag: string) => {
        const request: ImageRequest = { ...DEBIAN, base: { kind: 'registry', reference: `${name}/base:${tag}` } };
        return await buildImages({ store: createImageStore(async () => other), request, paths: temporary.paths });
      };
      const derived = await fromRegistry('1');
      made.unshift(derived.reference, `${name}/base:1`);
      expect(await inImage(derived.reference, 'command -v git; getent passwd 1000')).toMatch(/^\/usr\/bin\/git\nagent:x:1000/);
      await expect(fromRegistry('2')).rejects.toMatchObject({ code: 'IMAGE_UNAVAILABLE' });
    } finally {
      registry.close();
    }
  });

  it('says that the file does not exist', async () => {
    await expect(build({ ...DEBIAN, base: { kind: 'archive', file: '/nonexistent.tar' } })).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
    });
  });
});

describe('the agent layer', () => {
  it('has Node and the agent, runs post-install steps without a network, and is built once', async () => {
    const request = { ...DEBIAN, agents: [AGENT] };
    const first = await build(request);
    expect((await build(request)).layers.map(({ how }) => how)).toEqual(['cached', 'cached']);
    expect(await inImage(first.reference, 'cat /opt/terok/finished; test -L /usr/local/bin/semver && node --version')).toMatch(
      /^finished without network\nv\d+\./,
    );
    const listed = (await listImages(store)).find(({ reference }) => reference === first.reference);
    expect(listed).toMatchObject({ layer: 'l1', agents: ['semver'] });
    const changed = await build({ ...DEBIAN, agents: [{ ...AGENT, verify: [['node', '-e', '0']] }] });
    expect(changed.layers.map(({ how }) => how)).toEqual(['cached', 'built']);
  });

  it('leaves no tag when a check fails', async () => {
    const agents = [{ ...AGENT, verify: [['sh', '-c', 'echo it does not start >&2; exit 3']] }];
    const before = (await listImages(store)).map(({ reference }) => reference).sort();
    await expect(build({ ...DEBIAN, agents })).rejects.toThrow(/it does not start|exit status 3/);
    expect((await listImages(store)).map(({ reference }) => reference).sort()).toEqual(before);
  });
});

describe('a killed build', () => {
  it('leaves no tag and no claim that blocks; the next build cleans up', async () => {
    const env = { ...process.env, ...temporary.env };
    const worker = spawn(process.execPath, [fileURLToPath(new URL('../support/image-build-worker.ts', import.meta.url))], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const staging = path.join(temporary.paths.cache, 'staging');
    const started = new Promise<void>((resolve) => worker.stdout.on('data', (chunk: Buffer) => chunk.includes('extracting') && resolve()));
    await started;
    worker.kill('SIGKILL');
    await new Promise((resolve) => worker.once('close', resolve));
    expect(await readdir(staging)).toHaveLength(1);
    const { layers } = await build({ ...DEBIAN, sudo: true });
    expect(layers[0]?.how).toBe('built');
    expect(await readdir(staging)).toEqual([]);
    expect(await inImage(layers[0]?.reference ?? '', 'find / -xdev -type f -perm /6000; cat /etc/sudoers.d/agent')).toBe(
      '/usr/bin/sudo\nagent ALL=(ALL:ALL) NOPASSWD: ALL\n',
    );
  });
});

describe('a full disk', () => {
  it('is named as such, and leaves nothing staged', async (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('mounting a small filesystem needs root');
    const small = path.join(temporary.root, 'small');
    await mkdir(small);
    await runOrThrow(['mount', '-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', small]);
    try {
      const paths = { ...temporary.paths, cache: small };
      const request = { ...DEBIAN, base: { kind: 'debian', suite: 'bookworm' } as const, sudo: true, force: true };
      await expect(buildImages({ store, request, paths })).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect(await readdir(path.join(small, 'staging'))).toEqual([]);
    } finally {
      await runOrThrow(['umount', small]);
    }
  });
});

describe('pruneImages', () => {
  it('keeps what is needed and what that is built on', async () => {
    const own = new Set(made);
    const needed = await build({ ...DEBIAN, agents: [AGENT] });
    const others = (await listImages(store)).map(({ reference }) => reference).filter((reference) => !own.has(reference));
    const removed = await pruneImages({ store, keep: [needed.reference, ...others] });
    const left = (await listImages(store)).map(({ reference }) => reference);
    expect(left).toEqual(expect.arrayContaining(needed.layers.map(({ reference }) => reference)));
    for (const { reference } of removed) expect(left).not.toContain(reference);
  });
});
