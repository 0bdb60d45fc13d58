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
  'libcap-dev',
  'libseccomp-dev',
  'libyajl-dev',
  'python3-minimal',
  'dpkg-dev',
];
/** npm packages that carry libkrun and its kernel, exact versions. */
export const KRUN_PACKAGES = ['@earendil-works/gondolin-krun-runner-linux-x64@0.12.0', '@superradcompany/microsandbox-linux-x64-gnu@0.7.2'];

const STEP_MS = 15 * 60_000;
const IMAGE_DIR = path.join(import.meta.dirname, 'image');

/** Makes the root filesystem of the lab in `<staging>/root`: Debian, crun with libkrun, and the lab's first process. */
export async function makeRoot(staging: string): Promise<string> {
  const root = path.join(staging, 'root');
  const sources = await aptSourcesFor(SUITE);
  const [, krun, libraries] = await settleAll([bootstrap(root, sources), buildKrun(staging, sources), fetchLibraries(staging)]);
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

async function bootstrap(root: string, sources: readonly AptSource[]): Promise<void> {
  const excluded = ['man', 'locale', 'doc', 'info', 'lintian'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  await mmdebstrap(root, ROOT_PACKAGES, sources.map(toAptLine), excluded);
}

async function mmdebstrap(target: string, packages: readonly string[], lines: readonly string[], more: readonly string[]): Promise<void> {
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
    `--include=${packages.join(',')}`,
    ...more,
    SUITE,
    target,
    '-',
  ];
  await runOrThrow(argv, { input: `${lines.join('\n')}\n`, timeoutMs: STEP_MS });
}

/** Compiles crun in a root of its own, which is thrown away; gives the directory with the programs. */
async function buildKrun(staging: string, sources: readonly AptSource[]): Promise<string> {
  const out = path.join(staging, 'krun');
  await mkdir(out);
  const inputs = ['build-crun.sh', 'crun-vm-size.patch', 'libkrun.h'].map((name) => path.join(IMAGE_DIR, name));
  const hooks = [`copy-in ${inputs.join(' ')} /root`, 'chroot "$1" sh /root/build-crun.sh', `sync-out /root/out ${out}`];
  const own = sources.filter(({ suite }) => suite === SUITE).map((source) => toAptLine(source).replace(/^deb /, 'deb-src '));
  const hookArguments = ['--format=null', ...hooks.map((hook) => `--customize-hook=${hook}`)];
  await mmdebstrap('/dev/null', BUILD_PACKAGES, [...sources.map(toAptLine), ...own], hookArguments);
  return out;
}

async function fetchLibraries(staging: string): Promise<string> {
  const dir = path.join(staging, 'npm');
  await mkdir(dir);
  await runOrThrow(['npm', 'pack', '--silent', '--pack-destination', dir, ...KRUN_PACKAGES], {
    cwd: dir,
    env: process.env,
    timeoutMs: STEP_MS,
  });
  for (const file of await readdir(dir))
    await runOrThrow(['tar', '-xzf', path.join(dir, file), '-C', dir, '--strip-components=1', '--exclude=*.node']);
  return path.join(dir, 'lib');
}

/** `/usr/local/bin/krun` is the one to use; the one that is too old shows that it is refused. */
async function installKrun(root: string, krun: string, libraries: string): Promise<void> {
  const old = path.join(root, 'opt/old-krun');
  await mkdir(old, { recursive: true });
  await cp(path.join(krun, 'krun-current'), path.join(root, 'usr/local/bin/krun'));
  await cp(path.join(krun, 'krun-old'), path.join(old, 'krun'));
  for (const name of await readdir(libraries)) {
    if (/^libkrun(?:fw)?\.so\.\d+\.\d+\.\d+$/.test(name)) {
      await cp(path.join(libraries, name), path.join(root, 'usr/local/lib', name));
      await symlink(name, path.join(root, 'usr/local/lib', name.replace(/(\.so\.\d+)\..*/, '$1')));
    }
  }
  await writeFile(path.join(root, 'etc/hosts'), '127.0.0.1 localhost lab\n');
}
