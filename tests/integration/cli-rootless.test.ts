import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTerok } from '../../src/index.ts';
import { createRootlessUser, giveImage, type RootlessUser, whyNoRootlessUser } from '../support/rootless.ts';
import { temporaryPaths } from '../support/temporary-paths.ts';

const reason = await whyNoRootlessUser();
const why = reason === undefined ? '' : ` (skipped: ${reason})`;

/** What a host without delegated cgroups cannot enforce for users; elsewhere allowing it changes nothing. */
const ALLOWED = ['memory', 'cpus', 'pids'].flatMap((limit) => ['--allow-unenforced', limit]);

interface Result {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(reason !== undefined)(`the whole command line as an unprivileged user${why}`, () => {
  let user: RootlessUser;
  let image: string;
  let repository: string;

  const terok = async (args: readonly string[], options: Parameters<RootlessUser['run']>[1] = {}): Promise<Result> => {
    const result = await user.run([user.node, path.join(user.repository, 'bin/terok.mjs'), ...args], options);
    return { code: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  };
  const sh = async (script: string): Promise<string> => {
    const result = await user.run(['sh', '-ec', script]);
    if (result.exitCode !== 0) throw new Error(result.stderr.toString());
    return result.stdout.toString();
  };
  const run = (...args: string[]): Promise<Result> => terok(['run', repository, '--image', image, ...ALLOWED, ...args]);
  const work = (subject: string): string[] => [
    'sh',
    '-c',
    `echo 12 > price.txt && git commit -qam "${subject}" && git push -q origin HEAD`,
  ];

  beforeAll(async () => {
    user = await createRootlessUser();
    image = await giveBaseImage(user);
    repository = path.join(user.home, 'shop');
    await sh(`git init -q -b main ${repository}; cd ${repository}; echo 10 > price.txt; git add .
      git -c user.name=u -c user.email=u@example.com commit -qm Begin`);
  });

  afterAll(async () => {
    if (user === undefined) return;
    const names = (await terok(['list', '--names'])).stdout.split('\n').filter((name) => name !== '');
    if (names.length > 0) await terok(['rm', '--force', ...names]);
    await user[Symbol.asyncDispose]();
  });

  it('refuses limits that cannot be enforced, by name, and takes those that are allowed by name', async (ctx) => {
    const refused = await terok(['run', repository, '--image', image, '--', 'true']);
    if (refused.code === 0) ctx.skip('this host enforces all limits for users');
    expect(refused.code).toBe(122);
    expect(refused.stderr).toContain('cannot enforce the limits memory, cpus, pids');
    expect(refused.stderr).toContain('--allow-unenforced memory --allow-unenforced cpus --allow-unenforced pids');
    const partly = await terok(['run', repository, '--image', image, ...ALLOWED.slice(0, 4), '--', 'true']);
    expect(partly).toMatchObject({ code: 122, stderr: expect.stringContaining('cannot enforce the limit pids') });
    expect((await terok(['list', '--names'])).stdout).toBe('');
    expect(await run('--name', 'allowed', '--', 'true')).toMatchObject({ code: 0 });
    const status = JSON.parse((await terok(['status', 'allowed', '--json'])).stdout) as { missingLimits: string[] };
    expect(status.missingLimits).toEqual(['memory', 'cpus', 'pids']);
  });

  it('runs a command, shows its work, and takes it into the repository', async () => {
    expect(await run('--name', 'work', '--', ...work('Raise the price'))).toMatchObject({ code: 0 });
    expect((await terok(['diff', 'work'])).stdout).toMatch(/^-10\n\+12$/m);
    const { digest } = JSON.parse((await terok(['review', 'work', '--json'])).stdout) as { digest: string };
    const applied = JSON.parse((await terok(['apply', 'work', '--approve', digest, '--json'])).stdout) as { branch: string };
    expect(await sh(`git -C ${repository} show ${applied.branch}:price.txt; cat ${repository}/price.txt`)).toBe('12\n10\n');
  });

  it('passes the exit status on and streams both outputs', async () => {
    expect(await run('--quiet', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
  });

  it('runs the agent as an ordinary user in a sealed network', async () => {
    const script = 'id -un; cat /etc/resolv.conf; cat /proc/self/uid_map; exec 3<>/dev/tcp/192.0.2.1/80';
    const { stdout, stderr } = await run('--quiet', '--', 'bash', '-c', script);
    expect(stdout).toMatch(/^agent\nnameserver 198\.18\.0\.1\n/);
    expect(stdout).not.toMatch(/^ +0 +0 +4294967295$/m);
    expect(stderr).toContain('Network is unreachable');
  });

  it('keeps a bottle that takes commands and files, stops and starts', async () => {
    expect(await run('--keep', '--name', 'kept', '--', 'true')).toMatchObject({ code: 0 });
    expect(await terok(['exec', 'kept', '--', 'sh', '-c', 'cat; exit 5'], { input: Buffer.from('through\n') })).toMatchObject({
      code: 5,
      stdout: 'through\n',
    });
    await sh(`echo hello > ${user.home}/in.txt`);
    expect(await terok(['cp', `${user.home}/in.txt`, 'kept:/work/in.txt'])).toMatchObject({ code: 0 });
    expect(await terok(['stop', 'kept'])).toMatchObject({ code: 0 });
    expect(await terok(['start', 'kept'])).toMatchObject({ code: 0 });
    expect(await terok(['cp', 'kept:/work/in.txt', `${user.home}/out.txt`])).toMatchObject({ code: 0 });
    expect(await sh(`cat ${user.home}/out.txt`)).toBe('hello\n');
    expect(await terok(['rm', '--force', 'kept'])).toMatchObject({ code: 0 });
  });

  it('killed with SIGKILL while the agent works: the next command brings the work into the gate', async () => {
    const detached = await run('--detach', '--name', 'cut', '--', 'sh', '-c', 'echo precious > precious.txt; echo working; exec sleep 300');
    expect(detached).toMatchObject({ code: 0, stdout: 'cut\n' });
    await expect.poll(async () => (await terok(['logs', 'cut'])).stdout, { timeout: 60_000 }).toContain('working');
    const task = path.join(user.home, '.local/state/terok/bottles/cut/task.json');
    await sh(`kill -9 $(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' ${task})`);
    const diff = await terok(['diff', 'cut']);
    expect(diff.stderr).toContain('repaired: `cut`');
    expect(diff.stdout).toContain('+precious');
    expect((await user.run(['podman', 'ps', '--all', '--quiet'])).stdout.toString()).toBe('');
    expect(await readdir(path.join(user.home, 'run/terok/b'))).toEqual([]);
    const processes = (await user.run(['pgrep', '-a', '-u', user.name, '-f', '/gateway[.]js|network/|conmon'])).stdout.toString();
    // An init that reaps late leaves a name without a process
    expect(processes.split('\n').filter((line) => line !== '' && !line.endsWith('<defunct>'))).toEqual([]);
  });

  it('leaves nothing of finished tasks but their records and branches', async () => {
    expect((await user.run(['podman', 'ps', '--all', '--quiet'])).stdout.toString()).toBe('');
    expect(existsSync(path.join(user.home, 'run/terok/b/work'))).toBe(false);
    expect((await terok(['rm', 'work'])).code).toBe(0);
    expect((await terok(['list', '--names'])).stdout).not.toContain('work');
  });
});

describe.skipIf(reason !== undefined)(`a user whose host is not prepared${why}`, () => {
  const attempt = async (user: RootlessUser, options: Parameters<RootlessUser['run']>[1] = {}): Promise<Result> => {
    await user.run(['sh', '-c', 'git init -q ~/r; cd ~/r; git -c user.name=u -c user.email=u@example.com commit -q --allow-empty -m x']);
    const argv = [user.node, path.join(user.repository, 'bin/terok.mjs'), 'run', path.join(user.home, 'r'), '--', 'true'];
    const result = await user.run(argv, options);
    return { code: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
  };

  it('without subordinate ids is told how to get them', async () => {
    await using user = await createRootlessUser({ subordinateIds: false });
    const result = await attempt(user);
    expect(result.code).toBe(122);
    expect(result.stderr).toMatch(/`\/etc\/subuid` gives user `\w+` 0 subordinate ids/);
    expect(result.stderr).toContain('hint: Let root run `usermod --add-subuids');
    expect(existsSync(path.join(user.home, '.local/state/terok/bottles'))).toBe(false);
  });

  it('on hybrid cgroups is told what only root can do', async (ctx) => {
    if (!existsSync('/sys/fs/cgroup/unified')) ctx.skip('this host has no hybrid cgroups');
    await using user = await createRootlessUser();
    const result = await attempt(user, { hostMounts: true });
    expect(result.code).toBe(122);
    expect(result.stderr).toMatch(/cgroup v1 and v2 side by side.*\nhint: Boot with `systemd\.unified_cgroup_hierarchy=1`/);
  });
});

/** Builds the base image as root where it does not exist, and loads it into the user's own storage. */
async function giveBaseImage(user: RootlessUser): Promise<string> {
  await using home = await temporaryPaths();
  const env = { ...process.env, ...home.env };
  const [base] = await createTerok({ env }).images.build({ agents: [] });
  if (base === undefined) throw new Error('no base image was built');
  await giveImage(user, base.reference);
  return base.reference;
}
