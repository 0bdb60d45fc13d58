import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runOrThrow, settleAll } from '../../src/core/index.ts';
import { type AptSource, aptSourcesFor, toAptLine } from '../../src/images/apt-sources.ts';

export const SUITE = 'trixie';

/** Debian packages of the lab: what terok needs on a host, and a kernel that runs virtual machines. */
export const ROOT_PACKAGES = [
  'linux-image-cloud-amd64',
  'kmod',
  'iproute2',
  'procps',
  'util-linux',
  'passwd',
  'ca-certificates',
  'curl',
  'openssl',
  'podman',
  'crun',
  'netavark',
  'uidmap',
  'xfsprogs',
  'passt',
  'fuse-overlayfs',
  'git',
  'openssh-client',
  'libyajl2',
  'libatomic1',
];
export const BUILD_PACKAGES = [
  'gcc',
  'make',
  'patch',
  'libc6-dev',
  'pkgconf',
  'ca-certificates',
  'cargo-web',
  'libcap-dev',
  'libseccomp-dev',
  'libyajl-dev',
  'python3-minimal',
  'dpkg-dev',
];
/** npm packages, exact versions: the first has a libkrun that is too old, the second the kernel of guests. */
export const KRUN_PACKAGES = ['@earendil-works/gondolin-krun-runner-linux-x64@0.12.0', '@superradcompany/microsandbox-linux-x64-gnu@0.7.2'];

const STEP_MS = 15 * 60_000;
const HOST_ROOTS = '/etc/ssl/certs/ca-certificates.crt';
const IMAGE_DIR = path.join(import.meta.dirname, 'image');

/** Makes the root filesystem of the lab in `<staging>/root`: Debian, crun with libkrun, and the lab's first process. */
export async function makeRoot(staging: string, signal: AbortSignal): Promise<string> {
  const root = path.join(staging, 'root');
  const sources = await aptSourcesFor(SUITE);
  const [, krun, libraries] = await settleAll([
    bootstrap(root, sources, signal),
    buildKrun(staging, sources, signal),
    fetchLibraries(staging, signal),
  ]);
  await installKrun(root, krun, libraries);
  await copyFile(path.join(IMAGE_DIR, 'init.sh'), path.join(root, 'usr/local/sbin/lab-init'));
  await runOrThrow(['chmod', '755', path.join(root, 'usr/local/sbin/lab-init')]);
  await runOrThrow(['chroot', root, 'ldconfig']);
  return root;
}

/** A frozen mirror is as good as a fresh one: what counts are the signatures, not their age. */
const APT_OPTIONS = [
  'Acquire::Check-Valid-Until "false"',
  'APT::Install-Recommends "false"',
  'Acquire::Languages "none"',
  'Acquire::Retries "3"',
];

async function bootstrap(root: string, sources: readonly AptSource[], signal: AbortSignal): Promise<void> {
  const excluded = ['man', 'locale', 'doc', 'info', 'lintian'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  await mmdebstrap(root, ROOT_PACKAGES, sources.map(toAptLine), { more: excluded, signal });
}

interface Bootstrap {
  readonly more: readonly string[];
  readonly signal: AbortSignal;
}

async function mmdebstrap(
  target: string,
  packages: readonly string[],
  lines: readonly string[],
  { more, signal }: Bootstrap,
): Promise<void> {
  const options = APT_OPTIONS.map((option) => `--aptopt=${option}`);
  // in a mount namespace of its own, so that a killed build leaves nothing mounted that a removal could reach
  const argv = [
    'unshare',
    '--mount',
    '--',
    'mmdebstrap',
    '--mode=root',
    '--variant=minbase',
    ...options,
    // what a power cut leaves of it is thrown away, so nothing waits for the disk
    '--dpkgopt=force-unsafe-io',
    `--include=${packages.join(',')}`,
    ...more,
    SUITE,
    target,
    '-',
  ];
  await runOrThrow(argv, { input: `${lines.join('\n')}\n`, timeoutMs: STEP_MS, signal });
}

/** Compiles crun and libkrun in a root of its own, which is thrown away; gives the directory with what was made. */
async function buildKrun(staging: string, sources: readonly AptSource[], signal: AbortSignal): Promise<string> {
  const out = path.join(staging, 'krun');
  await mkdir(out);
  const inputs = (await readdir(IMAGE_DIR)).map((name) => path.join(IMAGE_DIR, name));
  const hooks = [
    `copy-in ${inputs.join(' ')} /root`,
    // cargo, unlike apt, asks over TLS: this machine may know its registry by a root certificate of its own
    ...(existsSync(HOST_ROOTS) ? [`upload ${HOST_ROOTS} ${HOST_ROOTS}`] : []),
    // beside each other: the one is often a single process that asks what this compiler can do
    `chroot "$1" sh -c 'sh /root/build-crun.sh & crun=$!; sh /root/build-libkrun.sh; libkrun=$?; wait $crun && exit $libkrun'`,
    `sync-out /root/out ${out}`,
  ];
  const own = sources.filter(({ suite }) => suite === SUITE).map((source) => toAptLine(source).replace(/^deb /, 'deb-src '));
  const hookArguments = ['--format=null', ...hooks.map((hook) => `--customize-hook=${hook}`)];
  await mmdebstrap('/dev/null', BUILD_PACKAGES, [...sources.map(toAptLine), ...own], { more: hookArguments, signal });
  return out;
}

async function fetchLibraries(staging: string, signal: AbortSignal): Promise<string> {
  const dir = path.join(staging, 'npm');
  await mkdir(dir);
  await runOrThrow(['npm', 'pack', '--silent', '--pack-destination', dir, ...KRUN_PACKAGES], {
    cwd: dir,
    env: process.env,
    timeoutMs: STEP_MS,
    signal,
  });
  for (const file of await readdir(dir))
    await runOrThrow(['tar', '-xzf', path.join(dir, file), '-C', dir, '--strip-components=1', '--exclude=*.node']);
  return path.join(dir, 'lib');
}

/** `/usr/local/bin/krun` is the one to use; those in `/opt` show what is refused, and why. */
async function installKrun(root: string, made: string, npm: string): Promise<void> {
  const [lib, oldCrun, oldLibkrun] = ['usr/local/lib', 'opt/old-crun', 'opt/old-libkrun'].map((dir) => path.join(root, dir)) as [
    string,
    string,
    string,
  ];
  await mkdir(oldCrun, { recursive: true });
  await mkdir(oldLibkrun, { recursive: true });
  await cp(path.join(made, 'krun-current'), path.join(root, 'usr/local/bin/krun'));
  await cp(path.join(made, 'krun-old'), path.join(oldCrun, 'krun'));
  await installLibrary(made, 'libkrun', lib);
  await installLibrary(npm, 'libkrunfw', lib);
  await installLibrary(npm, 'libkrun', oldLibkrun);
  const starter = '#!/bin/bash\nLD_LIBRARY_PATH=/opt/old-libkrun exec -a krun /usr/local/bin/krun "$@"\n';
  await writeFile(path.join(oldLibkrun, 'krun'), starter, { mode: 0o755 });
  await writeFile(path.join(root, 'etc/hosts'), '127.0.0.1 localhost lab\n');
}

/** The file carries the whole version; crun opens it by the name with the first number alone. */
async function installLibrary(from: string, name: string, to: string): Promise<void> {
  const file = (await readdir(from)).find((candidate) => /\.so\.\d+\.\d+\.\d+$/.test(candidate) && candidate.startsWith(`${name}.so`));
  if (file === undefined) throw new Error(`No ${name} in ${from}.`);
  await cp(path.join(from, file), path.join(to, file));
  await symlink(file, path.join(to, file.replace(/(\.so\.\d+)\..*/, '$1')));
}
