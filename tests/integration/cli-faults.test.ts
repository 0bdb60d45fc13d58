import { existsSync, readdirSync, statSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPodmanHost, type PodmanHost } from '../../src/backends/oci/index.ts';
import { run, runOrThrow } from '../../src/core/index.ts';
import { leftovers } from '../support/leftovers.ts';
import { sampleRepository, type TerokCli, terokCli } from '../support/terok-cli.ts';

interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string; readonly exitStatus: number };
}

let terok: TerokCli;
let repository: string;

beforeEach(async () => {
  terok = await terokCli();
  repository = await sampleRepository(terok.root);
});

afterEach(async () => {
  await terok[Symbol.asyncDispose]();
});

/** Runs a task that must be refused; checks both forms of the report, and that nothing is left of the attempt. */
async function refusalOf(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ErrorDocument['error']> {
  const [before, ...rest] = split(args);
  const json = await terok.run([...before, '--json', ...rest.flat()], { env });
  const { error } = JSON.parse(json.stdout) as ErrorDocument;
  expect(json.code).toBe(error.exitStatus);
  const plain = await terok.run(args, { env });
  expect(plain.code).toBe(error.exitStatus);
  expect(plain.stdout).toBe('');
  expect(plain.stderr).toContain(`code: ${error.code} (exit status ${error.exitStatus})`);
  expect(error.hint, 'every refusal says what to do').toBeTruthy();
  expect(plain.stderr).toContain(`hint: ${error.hint}`);
  expect(plain.stderr).not.toContain('    at ');
  expect(await leftovers(terok)).toEqual([]);
  return error;
}

function split(args: readonly string[]): [string[], string[]] {
  const dashes = args.indexOf('--');
  return dashes === -1 ? [[...args], []] : [args.slice(0, dashes), args.slice(dashes)];
}

const task = (...options: string[]): string[] => ['run', repository, ...options, '--', 'true'];

async function configure(text: string): Promise<void> {
  await mkdir(terok.paths.config, { recursive: true, mode: 0o700 });
  await writeFile(path.join(terok.paths.config, 'config.yml'), text);
}

describe('podman', () => {
  it('missing: the error says how to install it, and what needs no bottle still works', async () => {
    const PATH = await searchPathWithout('podman');
    const error = await refusalOf(task(), { PATH });
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', exitStatus: 122, hint: expect.stringContaining('apt-get install podman') });
    expect(error.message).toContain('No `podman` program was found');
    expect(await terok.run(['list'], { env: { PATH } })).toMatchObject({ code: 0 });
    const doctor = await terok.run(['doctor'], { env: { PATH } });
    expect(doctor).toMatchObject({ code: 122, stdout: expect.stringContaining('problem  backend podman: No `podman`') });
    expect((await terok.run(['backend', 'list'], { env: { PATH } })).stdout).toMatch(/podman \(default\) +container +absent/);
  });

  it('too old: the error names both versions', async () => {
    const dir = path.join(terok.root, 'old');
    await mkdir(dir);
    await writeFile(
      path.join(dir, 'podman'),
      '#!/bin/sh\n[ "$1" = --version ] && exec echo podman version 3.4.4\nexec /usr/bin/podman "$@"\n',
    );
    await chmod(path.join(dir, 'podman'), 0o755);
    const error = await refusalOf(task(), { PATH: `${dir}:${process.env['PATH']}` });
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', exitStatus: 122, hint: 'Install Podman 4.3.0 or newer.' });
    expect(error.message).toContain('Podman 3.4.4 is older than 4.3.0');
  });

  it('with a storage that cannot be opened: the error has the words of podman and no advice that leads back to itself', async () => {
    const conf = path.join(terok.root, 'storage.conf');
    await writeFile(conf, '[storage]\ndriver = "overlay"\ngraphroot = "/proc/none"\nrunroot = "/proc/none"\n');
    const error = await refusalOf(task(), { CONTAINERS_STORAGE_CONF: conf });
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', exitStatus: 122, hint: expect.stringContaining('podman info') });
    expect(error.message).toContain('/proc/none');
    await writeFile(conf, 'no toml at all');
    expect((await refusalOf(task(), { CONTAINERS_STORAGE_CONF: conf })).code).toBe('BACKEND_UNAVAILABLE');
  });

  it('whose API socket cannot be made: commands go through the channel, so the task runs', async () => {
    const dir = path.join(terok.root, 'no-api');
    await mkdir(dir);
    await writeFile(path.join(dir, 'podman'), '#!/bin/sh\n[ "$1 $2" = "system service" ] && exit 1\nexec /usr/bin/podman "$@"\n');
    await chmod(path.join(dir, 'podman'), 0o755);
    expect(await terok.run(task('--quiet'), { env: { PATH: `${dir}:${process.env['PATH']}` } })).toMatchObject({ code: 0 });
  });

  it('on a host with cgroup v1 and v2 side by side: root gets bottles, and is told how', async (ctx) => {
    if (!existsSync('/sys/fs/cgroup/unified')) ctx.skip('this host has no hybrid cgroups');
    expect((await terok.run(task('--quiet'))).code).toBe(0);
    expect((await terok.run(['doctor'])).stdout).toContain('This host mounts cgroup v1 and v2 side by side');
  });
});

describe('a full disk', () => {
  it.each([
    ['STATE', '4k'],
    ['STATE', '16k'],
    ['STATE', '32k'],
    ['STATE', '40k'],
    ['DATA', '8k'],
    ['DATA', '16k'],
    ['DATA', '32k'],
    ['RUNTIME', '8k'],
    ['RUNTIME', '16k'],
  ])('for %s, %s large: is named, and leaves nothing but room', async (name, size) => {
    await using place = await smallPlace(size);
    const result = await terok.run(task(), { env: { [`TEROK_${name}_DIR`]: place.dir } });
    expect(result.stderr).toContain('code: DISK_FULL (exit status 125)');
    expect(result.stderr).toMatch(/^error: No space (is )?left/m);
    expect(result.code).toBe(125);
    const files = readdirSync(place.dir, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /bottles\/.|\btasks\/[^.]|\.new-|\.lock|^b\/|\.sock/.test(file))).toEqual([]);
    expect(await leftovers(terok)).toEqual([]);
    for (const mount of ['ns/mnt', 'ns']) await run(['umount', '--lazy', path.join(place.dir, mount)]);
  });

  it('while the base image is built: is named, and nothing stays staged', { timeout: 300_000 }, async () => {
    await using place = await smallPlace('40m');
    const result = await terok.run(['image', 'build', '--force'], { env: { TEROK_CACHE_DIR: place.dir } });
    expect(result).toMatchObject({ code: 125, stderr: expect.stringContaining('code: DISK_FULL') });
    expect(readdirSync(path.join(place.dir, 'staging'))).toEqual([]);
  });

  it('where podman keeps its containers: the launch says so; work that no longer fits stays in the bottle', async () => {
    await using place = await smallPlace('3m');
    const conf = path.join(terok.root, 'storage.conf');
    const host = await podman();
    await writeFile(
      conf,
      `[storage]\ndriver = "${host.facts.graphDriver}"\ngraphroot = "${place.dir}/g"\nrunroot = "${place.dir}/r"\n[storage.options]\nadditionalimagestores = ["${host.facts.graphRoot}"]\n`,
    );
    const env = { CONTAINERS_STORAGE_CONF: conf };
    const worked = await terok.run(['run', repository, '--name', 'full', '--', 'sh', '-c', 'head -c 9000000 /dev/urandom > big'], { env });
    expect(worked.stderr).toContain('The bottle is kept: `terok start full`');
    const kept = await terok.run(['rm', 'full'], { env });
    expect(kept).toMatchObject({ code: 121, stderr: expect.stringContaining('could not be brought into the gate') });
    expect((await terok.run(['rm', '--force', 'full'], { env })).code).toBe(0);
    await writeFile(path.join(place.dir, 'ballast'), Buffer.alloc(64 * 1024 * 1024)).catch(() => undefined);
    const refused = await terok.run(task(), { env });
    expect(refused).toMatchObject({ code: 125, stderr: expect.stringContaining('code: DISK_FULL') });
  });

  it('while files are copied out of and into a bottle: is named, and no part of a file stays', async () => {
    expect((await terok.run(['run', repository, '--keep', '--quiet', '--name', 'copies', '--', 'true'])).code).toBe(0);
    await terok.run(['exec', 'copies', '--', 'sh', '-c', 'head -c 3000000 /dev/zero > /tmp/big']);
    await using place = await smallPlace('1m');
    const out = await terok.run(['cp', 'copies:/tmp/big', path.join(place.dir, 'big')]);
    expect(out).toMatchObject({ code: 125, stderr: expect.stringContaining('code: DISK_FULL') });
    expect(readdirSync(place.dir)).toEqual([]);
    const big = path.join(terok.root, 'big');
    await runOrThrow(['truncate', '--size', '80M', big]);
    const into = await terok.run(['cp', big, 'copies:/dev/shm/big']);
    expect(into).toMatchObject({ code: 125, stderr: expect.stringContaining('code: DISK_FULL') });
    expect((await terok.run(['exec', 'copies', '--', 'ls', '-A', '/dev/shm'])).stdout).toBe('');
  });

  it('while the agent prints: the log ends, the agent does not', async () => {
    await using place = await smallPlace('512k');
    const env = { TEROK_STATE_DIR: place.dir };
    const flood = ['run', repository, '--name', 'chatty', '--', 'sh', '-c', 'head -c 2000000 /dev/zero | tr "\\0" x; echo; echo the end'];
    const result = await terok.run(flood, { env });
    expect(result.stdout).toContain('the end\n');
    expect(result.stdout.length).toBe(2_000_009);
    await rm(path.join(place.dir, 'bottles/chatty/output.log'));
    await terok.run(['rm', '--force', 'chatty'], { env });
  });
});

describe('an image', () => {
  it('that does not exist is never pulled', async () => {
    const error = await refusalOf(task('--image', 'localhost/no-such-image:1'));
    expect(error).toMatchObject({ code: 'IMAGE_UNAVAILABLE', exitStatus: 122 });
    expect(error.message).toContain('localhost/no-such-image:1');
  });

  it.each(['docker://x/y', '../x', 'A B', '-v'])('with the impossible name %j is refused as such', async (name) => {
    expect(await refusalOf(task(`--image=${name}`))).toMatchObject({ exitStatus: 120 });
  });

  it('with an annotation that makes the runtime restore a checkpoint is refused', async () => {
    const host = await podman();
    const reference = `localhost/terok-cli-checkpoint:${process.pid}`;
    await writeFile(path.join(terok.root, 'Containerfile'), 'FROM scratch\nCOPY Containerfile /x\n');
    const annotation = 'io.podman.annotations.checkpoint.runtime.name=crun';
    await host.call('build', ['build', '--annotation', annotation, '--tag', reference, terok.root]);
    try {
      const error = await refusalOf(task('--image', reference));
      expect(error).toMatchObject({ code: 'REFUSED', exitStatus: 123 });
      expect(error.message).toContain('io.podman.annotations.checkpoint.runtime.name');
    } finally {
      await host.run(['rmi', '--force', reference]);
    }
  });
});

describe('a name that does not exist', () => {
  it('of an agent: those that exist are listed', async () => {
    const error = await refusalOf(['run', repository, '--agent', 'nobody', '-p', 'x']);
    expect(error).toMatchObject({
      code: 'NOT_FOUND',
      exitStatus: 121,
      message: expect.stringMatching(/`nobody`.*`claude`, `codex`, `opencode`/),
    });
  });

  it('of a backend: those that exist are listed, with whether they are usable', async () => {
    for (const env of [{}, { PATH: await searchPathWithout('podman') }]) {
      const error = await refusalOf(task('--backend', 'docker'), env);
      expect(error).toMatchObject({ code: 'NOT_FOUND', exitStatus: 121 });
      expect(error.message).toContain('PATH' in env ? '`podman` (absent)' : '`podman` (usable here)');
    }
  });

  it('of a directory', async () => {
    expect(await refusalOf(['run', path.join(terok.root, 'nowhere'), '--', 'true'])).toMatchObject({ code: 'NOT_FOUND', exitStatus: 121 });
  });
});

describe('the host of a route', () => {
  it.each([
    ['1.2.3.4', /IP address/],
    ['[::1]', /a host /],
    ['0x7f000001', /a host /],
    ['*.com', /a host |public suffix/],
    ['*.co.uk', /public suffix/],
    ['*.github.io', /public suffix/],
    ['*', /a host /],
    ['', /a host /],
  ])('%j is refused with its place and value', async (host, rule) => {
    await configure(`egress:\n  routes:\n    - name: mine\n      hosts: ["${host}"]\n      mode: passthrough\n`);
    const error = await refusalOf(task());
    expect(error.exitStatus).toBe(120);
    expect(error.message).toMatch(rule);
    expect(error.message).toContain('line 4, column 15');
    expect(error.message).toContain(host);
  });
});

describe('the configuration', () => {
  it.each([
    ['limits: { cpus: [1\n', /config\.yml`, line 2, column 1: not valid YAML/],
    ['agent: claude\nlimits:\n  cpu: 2\n', /config\.yml`, line 3, column 3: .*unknown setting `cpu`/],
    ['limits: { memoryMiB: lots }\n', /config\.yml`, line 1, column 22: .*got "lots"/],
  ])('%j is refused with line and column', async (text, message) => {
    await configure(text);
    const error = await refusalOf(task());
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', exitStatus: 120, message: expect.stringMatching(message) });
  });

  it('of the repository too', async () => {
    await writeFile(path.join(repository, '.terok.yml'), 'agent: claude\nsudo: true\n');
    const error = await refusalOf(task());
    expect(error).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/\.terok\.yml`, line 2, column 1: unknown setting `sudo`/),
    });
  });

  it('that takes a variable which is not set names both', async () => {
    await configure('env:\n  TOKEN: ${NO_SUCH_VARIABLE_HERE}\n');
    const error = await refusalOf(task());
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringMatching(/`TOKEN`.*`NO_SUCH_VARIABLE_HERE`/) });
  });
});

describe('a repository', () => {
  const git = async (...args: string[]): Promise<void> =>
    void (await runOrThrow(['git', '-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args]));
  const notesOfRun = async (): Promise<readonly string[]> => {
    const result = await terok.run(['run', repository, '--json', '--', 'true']);
    expect(result.code).toBe(0);
    return (JSON.parse(result.stdout) as { notes: string[] }).notes;
  };

  it('without a commit is refused with what to do', async () => {
    const empty = path.join(terok.root, 'empty');
    await runOrThrow(['git', 'init', '--quiet', empty]);
    expect(await refusalOf(['run', empty, '--', 'true'])).toMatchObject({
      code: 'REFUSED',
      exitStatus: 123,
      hint: expect.stringContaining('Commit first'),
    });
  });

  it('with nothing special has no notes', async () => {
    expect(await notesOfRun()).toEqual([]);
  });

  it('with a dirty tree: what is not in the clone is said', async () => {
    await writeFile(path.join(repository, 'a.txt'), 'changed\n');
    await writeFile(path.join(repository, 'new.txt'), 'new\n');
    expect(await notesOfRun()).toEqual(['Not in the clone, because not committed: 1 changed file and 1 untracked file.']);
  });

  it('with a submodule: that it is empty is said', async () => {
    const other = await sampleRepository(terok.root, 'other');
    await git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', other, 'part');
    await git('commit', '--quiet', '--message', 'Add a part');
    expect(await notesOfRun()).toEqual(['1 submodule of the repository is empty in the clone.']);
  });

  it('with pointers of Git LFS: that their contents are missing is said', async () => {
    await writeFile(path.join(repository, '.gitattributes'), '*.bin filter=lfs diff=lfs merge=lfs -text\n');
    await writeFile(path.join(repository, 'x.bin'), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await git('-c', 'filter.lfs.clean=cat', '-c', 'filter.lfs.process=', '-c', 'filter.lfs.required=false', 'add', '.');
    await git('commit', '--quiet', '--message', 'Add a large file');
    expect((await notesOfRun()).join()).toContain('Files of Git LFS are pointers in the clone');
  });
});

describe('what is taken or missing', () => {
  it('a name in use is refused, and the task that has it stays', async () => {
    expect((await terok.run(task('--quiet', '--name', 'mine'))).code).toBe(0);
    const before = statSync(path.join(terok.paths.state, 'bottles/mine/task.json')).mtimeMs;
    const result = await terok.run(task('--name', 'mine'));
    expect(result).toMatchObject({
      code: 121,
      stderr: expect.stringMatching(/A task named `mine` exists\.\nhint: .*`terok rm mine`\.\ncode: ALREADY_EXISTS/),
    });
    expect(statSync(path.join(terok.paths.state, 'bottles/mine/task.json')).mtimeMs).toBe(before);
    expect(await terok.run(['status', 'mine'])).toMatchObject({ code: 0 });
  });

  it('a name that is no slug is refused', async () => {
    expect(await refusalOf(task('--name', '../up'))).toMatchObject({ exitStatus: 120 });
  });

  it('a secret that is not stored: its name and how it is stored', async () => {
    const error = await refusalOf(['run', repository, '--agent', 'claude', '-p', 'x']);
    expect(error).toMatchObject({
      code: 'SECRET_MISSING',
      exitStatus: 123,
      hint: 'Store it with `terok secret set claude-login` or `terok secret set anthropic`.',
    });
  });

  it('a directory of terok that cannot be written', async () => {
    await using place = await smallPlace('1m');
    await runOrThrow(['mount', '-o', 'remount,ro', place.dir]);
    const result = await terok.run(task(), { env: { TEROK_STATE_DIR: place.dir } });
    expect(result).toMatchObject({ code: 125, stderr: expect.stringMatching(/small-1m.*\nhint: Repair that path/) });
  });
});

describe('a backend that cannot be used here', () => {
  it('is said before an image is looked for', async ({ skip }) => {
    const backends = await terok.json<{ name: string; probe: { state: string } }[]>(['backend', 'list']);
    if (backends.find(({ name }) => name === 'krun')?.probe.state === 'available') return skip('this machine can run krun');
    const wanted = ['--backend', 'krun', '--image', 'localhost/terok-test/none:1'];
    const error = await refusalOf(task(...wanted));
    expect(error).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('The backend `krun` cannot be used here'),
    });
    expect(await refusalOf(task(...wanted.with(1, 'podman')))).toMatchObject({ code: 'IMAGE_UNAVAILABLE' });
  });
});

async function podman(): Promise<PodmanHost> {
  return await createPodmanHost({ env: { ...process.env, ...terok.env }, runtimeDir: terok.paths.runtime });
}

/** A directory with links to every program but one. */
async function searchPathWithout(missing: string): Promise<string> {
  const dir = path.join(terok.root, `without-${missing}`);
  await mkdir(dir);
  for (const place of (process.env['PATH'] ?? '').split(':').filter((each) => existsSync(each))) {
    for (const name of readdirSync(place)) {
      if (name !== missing && !existsSync(path.join(dir, name)))
        await symlink(path.join(place, name), path.join(dir, name)).catch(() => undefined);
    }
  }
  return dir;
}

/** A file system of its own, as small as wanted. */
async function smallPlace(size: string): Promise<AsyncDisposable & { readonly dir: string }> {
  const dir = path.join(terok.root, `small-${size}`);
  await mkdir(dir);
  await runOrThrow(['mount', '-t', 'tmpfs', '-o', `size=${size},nr_inodes=4000`, 'tmpfs', dir]);
  return {
    dir,
    async [Symbol.asyncDispose]() {
      await run(['umount', '--recursive', dir]);
      await run(['umount', '--lazy', dir]);
    },
  };
}
