import { describe, expect, it } from 'vitest';
import { assertSafeImage } from '../../../src/backends/oci/image-guard.ts';
import { bottleSeccompProfile, ociConfigSchema } from '../../../src/backends/oci/index.ts';
import { configDifferences, type Expectation } from '../../../src/backends/oci/verify-config.ts';
import { CONTAINER_PROFILE } from '../../../src/backends/podman/container-profile.ts';
import { type BottlePlan, TerokError } from '../../../src/core/index.ts';
import { testSpec } from '../../integration/podman-fixture/test-bottle.ts';

const OWN = '/var/lib/containers/storage/overlay-containers/abc/userdata';
const CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SYS_CHROOT'];

const plan: BottlePlan = {
  backend: 'podman',
  spec: testSpec('localhost/x:y', { slug: 'a-task' }),
  runtimeName: 'terok-a-task',
  stateDir: '/s/bottles/a-task',
  runtimeDir: '/r/b/a-task',
  missingLimits: [],
  namespaceLauncher: [],
};

function expectation(): Expectation {
  const seccomp = bottleSeccompProfile('x64');
  if (seccomp === undefined) throw new Error('there is a profile for x64');
  return {
    plan,
    networkPath: '/r/b/a-task/netns',
    seccomp,
    init: ['/bin/bash', '/usr/lib/terok/init'],
    profile: CONTAINER_PROFILE,
    limits: { ...plan.spec.limits, files: 2048 },
    ownDirs: [OWN],
    graphRoot: '/var/lib/containers/storage',
  };
}

/** What Podman 4.3.1 writes for a bottle. */
function goodConfig() {
  return {
    ociVersion: '1.0.2-dev',
    process: {
      user: { uid: 0, gid: 0, umask: 18, additionalGids: [0] },
      args: ['/bin/bash', '/usr/lib/terok/init'],
      env: ['TERM=xterm-256color', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=a-task', 'HOME=/root'],
      cwd: '/',
      capabilities: { bounding: [...CAPABILITIES], effective: [...CAPABILITIES], permitted: [...CAPABILITIES] },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 2048, soft: 2048 }],
      noNewPrivileges: true,
    },
    root: { path: '/var/lib/containers/storage/overlay/def/merged' },
    hostname: 'a-task',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'strictatime', 'mode=755', 'size=65536k'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      { destination: '/dev/shm', type: 'bind', source: `${OWN}/shm`, options: ['bind', 'rprivate', 'nosuid', 'noexec', 'nodev'] },
      { destination: '/etc/hostname', type: 'bind', source: `${OWN}/hostname`, options: ['bind', 'rprivate'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['rprivate', 'nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
      },
    ],
    annotations: {
      'io.container.manager': 'libpod',
      'io.podman.annotations.privileged': 'FALSE',
      'io.podman.annotations.seccomp': '/x.json',
      'org.opencontainers.image.stopSignal': '15',
      'org.systemd.property.KillSignal': '15',
      'org.systemd.property.TimeoutStopUSec': 'uint64 10000000',
    },
    linux: {
      resources: {
        devices: [{ allow: false, access: 'rwm' }],
        memory: { limit: 268435456, swap: 268435456 },
        cpu: { quota: 50_000, period: 100_000 },
        pids: { limit: 150 },
      },
      namespaces: [
        { type: 'pid' },
        { type: 'network', path: '/r/b/a-task/netns' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'cgroup' },
      ],
      seccomp: structuredClone(bottleSeccompProfile('x64')),
      maskedPaths: ['/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/scsi', '/sys/firmware'],
      readonlyPaths: ['/proc/asound', '/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

const check = (config: unknown, expected = expectation()): string[] => configDifferences(ociConfigSchema.parse(config), expected);

/** Sets, adds or deletes one place of a tree. */
function change(tree: unknown, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (typeof tree !== 'object' || tree === null) throw new Error(`there is nothing at \`${key}\``);
  const node = tree as Record<string, unknown>;
  if (rest.length > 0) change(node[key], rest, value);
  else if (key === '+') (tree as unknown[]).push(value);
  else if (value === undefined) delete node[key];
  else node[key] = value;
}

describe('the configuration that the runtime gets', () => {
  it('is accepted as Podman writes it', () => {
    expect(check(goodConfig())).toEqual([]);
  });

  /** What is broken, where (`+` adds to a list), the value that goes there (undefined deletes), what the refusal says */
  const tampered: readonly (readonly [string, string, unknown, RegExp])[] = [
    ['one more capability', 'process.capabilities.effective.+', 'CAP_SYS_ADMIN', /effective capabilities/],
    ['one more capability to fall back on', 'process.capabilities.bounding.+', 'CAP_NET_RAW', /bounding capabilities/],
    ['an ambient capability', 'process.capabilities.ambient', ['CAP_SYS_PTRACE'], /ambient capability/],
    ['no capability section', 'process.capabilities', undefined, /capabilities/],
    ['new privileges', 'process.noNewPrivileges', false, /no-new-privileges/],
    ['no seccomp filter', 'linux.seccomp', undefined, /no seccomp/],
    ['an allowing default', 'linux.seccomp.defaultAction', 'SCMP_ACT_ALLOW', /by default/],
    ['a second architecture', 'linux.seccomp.architectures.+', 'SCMP_ARCH_X86', /SCMP_ARCH_X86/],
    ['one more allowed call', 'linux.seccomp.syscalls.+', { names: ['bpf'], action: 'SCMP_ACT_ALLOW' }, /bpf/],
    ['a rule without its condition', 'linux.seccomp.syscalls.3.args', undefined, /clone/],
    ['a seccomp listener', 'linux.seccomp.listenerPath', '/run/x.sock', /listener/],
    ['the network of the host', 'linux.namespaces.1', { type: 'ipc' }, /network namespace/],
    ['another network', 'linux.namespaces.1.path', '/proc/1/ns/net', /network namespace/],
    ['the processes of the host', 'linux.namespaces.0.path', '/proc/1/ns/pid', /pid namespace/],
    ['no pid namespace', 'linux.namespaces.0', { type: 'ipc' }, /no pid namespace/],
    [
      'a host directory',
      'mounts.+',
      { destination: '/host', type: 'bind', source: '/', options: ['rbind'] },
      /`\/` is mounted at `\/host`/,
    ],
    ['a host directory at a known place', 'mounts.4.source', '/etc', /\/etc\/hostname/],
    ['a second mount at a known place', 'mounts.+', { destination: '/proc', type: 'proc', source: 'proc', options: [] }, /twice/],
    ['a writable /sys', 'mounts.2.options', ['nosuid', 'noexec', 'nodev'], /\/sys/],
    ['a writable cgroup tree', 'mounts.5.options', ['nosuid', 'noexec', 'nodev', 'rw'], /cgroup/],
    ['the resolver of the host', 'mounts.+', { destination: '/etc/resolv.conf', type: 'bind', source: `${OWN}/resolv.conf` }, /resolv/],
    ['a device', 'linux.devices', [{ path: '/dev/kvm', type: 'c', major: 10, minor: 232 }], /\/dev\/kvm/],
    ['access to devices', 'linux.resources.devices.+', { allow: true, access: 'rwm' }, /device access/],
    ['a hook', 'hooks', { prestart: [{ path: '/usr/bin/x' }] }, /prestart hook/],
    ["a hook of the stage that terok's own use", 'hooks', { createContainer: [{ path: '/usr/bin/x' }] }, /createContainer hook/],
    ['a checkpoint annotation', 'annotations', { 'io.podman.annotations.checkpoint.runtime.name': 'FALSE' }, /checkpoint/],
    ['an annotation for crun', 'annotations', { 'run.oci.keep_original_groups': '1' }, /run\.oci/],
    ['another property for systemd', 'annotations', { 'org.systemd.property.ExecStopPost': "['/bin/x']" }, /ExecStopPost/],
    ['a strange stop signal', 'annotations', { 'org.systemd.property.KillSignal': '15, 9' }, /KillSignal/],
    ['a privileged note', 'annotations', { 'io.podman.annotations.privileged': 'TRUE' }, /privileged/],
    ['more memory', 'linux.resources.memory.limit', 1e12, /memory limit/],
    ['swap', 'linux.resources.memory.swap', -1, /swap/],
    ['more processes', 'linux.resources.pids.limit', 0, /pids limit/],
    ['more cpu', 'linux.resources.cpu', undefined, /cpu limit/],
    ['more open files', 'process.rlimits.0.hard', 1e6, /open files/],
    ['kernel memory to read', 'linux.maskedPaths', [], /kcore/],
    ['writable sysctls', 'linux.readonlyPaths', [], /\/proc\/sys/],
    ['a sysctl', 'linux.sysctl', { 'kernel.shm_rmid_forced': '1' }, /sysctl/],
    ['another first process', 'process.args.+', 'x', /first process/],
    ['another user', 'process.user.uid', 5, /user of the first process/],
    ['a group of the host', 'process.user.additionalGids.+', 999, /group 999/],
    ['an environment of the image', 'process.env.+', 'LD_PRELOAD=/x.so', /LD_PRELOAD/],
    ['another search path', 'process.env.1', 'PATH=/tmp', /PATH/],
    ['another root', 'root.path', '/', /root filesystem/],
    ['another host name', 'hostname', 'host', /host name/],
  ];

  it.each(tampered)('is refused with %s', (_name, where, value, pattern) => {
    const config = goodConfig();
    change(config, where.split('.'), value);
    const differences = check(config);
    expect(differences.length).toBeGreaterThan(0);
    expect(differences.join('; ')).toMatch(pattern);
  });

  it('may lack exactly the limits that the user allowed to be missing', () => {
    const config = goodConfig();
    change(config, ['linux', 'resources'], {});
    expect(check(config, { ...expectation(), plan: { ...plan, missingLimits: ['memory', 'cpus', 'pids'] } })).toEqual([]);
    expect(check(config, { ...expectation(), plan: { ...plan, missingLimits: ['memory', 'cpus'] } }).join()).toMatch(/pids limit/);
  });

  it('may gain privileges only where the user asked for sudo, and must then', () => {
    const sudo = { ...expectation(), plan: { ...plan, spec: { ...plan.spec, sudo: true } } };
    expect(check(goodConfig(), sudo).join()).toMatch(/no-new-privileges/);
    expect(check({ ...goodConfig(), process: { ...goodConfig().process, noNewPrivileges: false } }, sudo)).toEqual([]);
  });
});

describe('an image', () => {
  it.each([
    'io.podman.annotations.checkpoint.runtime.name',
    'IO.Podman.Annotations.checkpoint.x',
    'run.oci.handler',
    'krun.cpus',
    'org.systemd.property.User',
  ])('is refused with the annotation or label %s', (key) => {
    expect(() => assertSafeImage({ annotations: { [key]: 'x' }, labels: {} }, 'i')).toThrow(TerokError);
    expect(() => assertSafeImage({ annotations: {}, labels: { [key]: 'x' } }, 'i')).toThrow(key);
  });

  it('may carry what runtimes do not act on', () => {
    expect(() =>
      assertSafeImage(
        { annotations: { 'org.opencontainers.image.source': 'x' }, labels: { 'terok.layer': 'l0', 'io.buildah.version': '1' } },
        'i',
      ),
    ).not.toThrow();
  });
});
