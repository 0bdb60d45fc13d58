import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { type Bottle, resolvePaths } from '../../src/core/index.ts';
import { programOfThe32BitDoor } from '../../src/redteam/egress/thirty-two-bit-door.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { CALLS, SOCKETS } from './podman-fixture/kernel-probes.ts';
import { makeTestNetwork, type TestNetwork } from './podman-fixture/network.ts';
import { findTestImage, openTestHost, outputOf, type TestHost } from './podman-fixture/test-bottle.ts';

const found =
  process.getuid?.() === 0
    ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }))
    : { reason: 'rootful Podman needs root' };

describeUnless('reason' in found ? found.reason : undefined, 'what a rootful bottle may do', () => {
  let host: TestHost;
  let network: TestNetwork;
  let bottle: Bottle;

  beforeAll(async () => {
    host = await openTestHost({ image: 'image' in found ? found.image : '' });
    const plan = await host.plan();
    network = await makeTestNetwork(plan);
    bottle = await host.launch(plan, network);
  });

  afterAll(async () => {
    await bottle?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** The same command in a container with nothing taken away, to see that it can work at all on this machine. */
  const inPlainContainer = async (argv: readonly string[], options: readonly string[] = []): Promise<string> => {
    const common = [
      'run',
      '--rm',
      '--pull=never',
      '--network',
      'none',
      '--ulimit',
      'nofile=1024:1024',
      '--ulimit',
      'nproc=1024:1024',
      '--security-opt',
      'seccomp=unconfined',
    ];
    return (await host.podman.run([...common, ...options, host.image, ...argv])).stdout.toString();
  };

  it('runs commands of the agent without any capability and under no-new-privileges', async () => {
    const status = await outputOf(bottle, ['cat', '/proc/self/status']);
    expect(status).toMatch(/^CapPrm:\t0+$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(await inPlainContainer(['cat', '/proc/self/status'])).toMatch(/^NoNewPrivs:\t0$/m);
  });

  it('gives root inside only what the init needs', async () => {
    const status = await outputOf(bottle, ['cat', '/proc/1/status'], { user: 'root' });
    expect(status).toMatch(/^CapBnd:\t00000000000400eb$/m);
    expect(status).toMatch(/^CapInh:\t0+$/m);
  });

  it.each(['AF_ALG', 'AF_VSOCK', 'AF_PACKET', 'NETLINK_UEVENT', 'NETLINK_AUDIT'] as const)('refuses sockets of %s', async (family) => {
    const control = await inPlainContainer(SOCKETS[family], ['--cap-add', 'all']);
    expect(['ok', '93', '97']).toContain(control);
    expect(await outputOf(bottle, SOCKETS[family], { user: 'root' })).toMatch(family.startsWith('NETLINK') ? /^93$/ : /^97$/);
  });

  it('has a kernel on which at least one refused socket would open', async () => {
    const controls = await Promise.all(
      [SOCKETS.AF_PACKET, SOCKETS.NETLINK_UEVENT].map((argv) => inPlainContainer(argv, ['--cap-add', 'all'])),
    );
    expect(controls).toContain('ok');
  });

  it.each(['NETLINK_ROUTE', 'AF_INET', 'AF_INET6', 'AF_UNIX'] as const)('lets the agent have sockets of %s', async (family) => {
    expect(['ok', '97']).toContain(await outputOf(bottle, SOCKETS[family]));
  });

  it.each(['unshareUser', 'cloneUser', 'keyctl', 'addKey', 'nameToHandle'] as const)(
    'refuses the call %s, which works in a plain container',
    async (name) => {
      expect(await inPlainContainer(CALLS[name], ['--cap-add', 'all'])).toMatch(/ok$/);
      expect(await outputOf(bottle, CALLS[name], { user: 'root' })).toMatch(/^1$/);
      expect(await outputOf(bottle, CALLS[name])).toMatch(/^1$/);
    },
  );

  it.each(['ioUringSetup', 'userfaultfd'] as const)('refuses the call %s', async (name) => {
    const control = await inPlainContainer(CALLS[name], ['--cap-add', 'all']);
    // a host may refuse it to everybody; then the same answer proves nothing, and is required all the same
    expect(control).toMatch(/^(ok|1|38)$/);
    expect(await outputOf(bottle, CALLS[name], { user: 'root' })).toBe('1');
  });

  it('lets ordinary calls through', async () => {
    expect(await outputOf(bottle, CALLS.getpid)).toBe('ok');
  });

  it('refuses mounts to root inside', async () => {
    expect(await inPlainContainer(CALLS.mount, ['--cap-add', 'SYS_ADMIN'])).toMatch(/ok$/);
    expect(await outputOf(bottle, CALLS.mount, { user: 'root' })).toBe('1');
  });

  it('kills a program that uses the 32-bit door of the kernel', async (context) => {
    if (process.arch !== 'x64') context.skip('only x86-64 has this door');
    const dir = await mkdtemp('/tmp/tpb-elf-');
    try {
      const file = path.join(dir, 'door');
      await writeFile(file, programOfThe32BitDoor());
      await chmod(file, 0o755);
      await bottle.copyIn(file, '/tmp/door');
      const control = await host.podman.run([
        'run',
        '--rm',
        '--pull=never',
        '--network',
        'none',
        '--ulimit',
        'nofile=1024:1024',
        '--ulimit',
        'nproc=1024:1024',
        '--security-opt',
        'seccomp=unconfined',
        '--volume',
        `${file}:/door:ro`,
        host.image,
        '/door',
      ]);
      expect(control.exitCode).toBe(42);
      expect((await bottle.exec(['/tmp/door'])).status.kind).toBe('signalled');
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('knows only its own resolver and itself', async () => {
    expect(await outputOf(bottle, ['cat', '/etc/resolv.conf'])).toBe('nameserver 198.18.0.1\n');
    const hosts = await outputOf(bottle, ['cat', '/etc/hosts']);
    expect(
      hosts
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(['127.0.0.1', '::1']);
    expect((await outputOf(bottle, ['hostname'])).trim()).toBe(bottle.id);
  });

  it("has no mount from the host but Podman's own two small files", async () => {
    const mounts = (await outputOf(bottle, ['cat', '/proc/self/mountinfo'])).trim().split('\n');
    // A bind mount shows a directory below the root of its file system; the kernel's own file systems are not the host's files
    const bound = mounts.map((line) => line.split(' ')).filter(([, , , root]) => root !== '/');
    const ofHost = bound.filter((fields) => !/^(proc|sysfs|cgroup2?|devtmpfs|devpts|mqueue)$/.test(fields[fields.indexOf('-') + 1] ?? ''));
    const targets = ofHost.map((fields) => fields[4]);
    expect(targets.toSorted()).toEqual(['/etc/hostname', '/run/.containerenv']);
  });

  it("gives the agent the bottle's environment and nothing of the host's", async () => {
    const names = (await outputOf(bottle, ['env']))
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(await outputOf(bottle, ['sh', '-c', 'printf %s "$GREETING"'])).toBe('hello');
    expect(names.filter((name) => /XDG|TEROK_STATE|CONTAINERS|GITHUB|npm_/.test(name ?? ''))).toEqual([]);
  });

  it("keeps the environment off the container's configuration", async () => {
    const { stdout } = await host.podman.run(['container', 'inspect', bottle.plan.runtimeName]);
    expect(stdout.toString()).not.toContain('GREETING');
  });

  it('enforces memory, processes and open files', async () => {
    const read = (file: string): Promise<string> => outputOf(bottle, ['sh', '-c', `cat ${file}`]);
    const memory = await read('/sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max');
    expect(Number(memory)).toBe(256 * 1024 * 1024);
    expect(Number(await read('/sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'))).toBe(150);
    expect((await outputOf(bottle, ['sh', '-c', 'ulimit -n'])).trim()).toBe('2048');
    const hungry = await bottle.exec(['perl', '-e', '$x = "a" x (400 * 1024 * 1024); print length $x']);
    expect(hungry.stdout.toString()).toBe('');
    const forks = await bottle.exec([
      'perl',
      '-e',
      'my $n = 0; for (1 .. 400) { my $p = fork; last unless defined $p; if (!$p) { sleep 5; exit } $n++ } print $n',
    ]);
    expect(Number(forks.stdout.toString())).toBeLessThan(150);
  });
});
