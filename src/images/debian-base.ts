import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, run, TerokError } from '../core/index.ts';
import { type AptSource, toAptLine, withoutCredentials } from './apt-sources.ts';
import { runStep } from './run-step.ts';

/** Programs that a bottle and its agent need; Node needs `libatomic1` and `libstdc++6`. `iproute2` and `file` help where something is odd. */
const PACKAGES = [
  'bash',
  'ca-certificates',
  'curl',
  'file',
  'git',
  'iproute2',
  'jq',
  'less',
  'libatomic1',
  'libstdc++6',
  'netbase',
  'openssh-client',
  'openssh-server',
  'passwd',
  'patch',
  'procps',
  'python3-minimal',
  'ripgrep',
  'tar',
  'unzip',
  'xz-utils',
];
const SUDO_PACKAGES = ['apt', 'sudo'];

const EXCLUDED = [
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/doc/*',
  '/usr/share/info/*',
  '/usr/share/lintian/*',
  '/usr/share/bash-completion/*',
  '/usr/share/zsh/*',
  '/usr/share/bug/*',
  '/usr/share/gitweb/*',
];
const COPYRIGHT = '/usr/share/doc/*/copyright';

/** Half an hour is enough for a slow mirror; the usual time is 20 s. */
const TIMEOUT_MS = 30 * 60_000;

export interface DebianBase {
  readonly suite: string;
  readonly sources: readonly AptSource[];
  readonly sudo: boolean;
}

/** All that decides what the base image holds; part of its tag. */
export function debianInputs({ suite, sources, sudo }: DebianBase): unknown {
  return { suite, sources: sources.map(withoutCredentials), packages: packagesFor(sudo), hook: customizeScript(sudo) };
}

/** Makes the root filesystem as a tar archive with mmdebstrap and gives its path. */
export async function makeDebianRootfs(
  base: DebianBase,
  stagingDir: string,
  options: { readonly onLine: (line: string) => void; readonly signal?: AbortSignal },
): Promise<string> {
  const target = path.join(stagingDir, 'rootfs.tar');
  const sourcesList = path.join(stagingDir, 'sources.list');
  await writeFile(sourcesList, `${base.sources.map((source) => toAptLine(withoutCredentials(source))).join('\n')}\n`, { mode: 0o644 });
  const isRoot = process.getuid?.() === 0;
  const argv = [
    'mmdebstrap',
    `--mode=${isRoot ? 'root' : 'unshare'}`,
    '--variant=essential',
    '--format=tar',
    `--include=${packagesFor(base.sudo).join(',')}`,
    ...['Acquire::Languages "none"', 'APT::Install-Recommends "false"', 'Acquire::Retries "3"', ...(await proxyOptions())].map(
      (option) => `--aptopt=${option}`,
    ),
    ...EXCLUDED.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    `--dpkgopt=path-include=${COPYRIGHT}`,
    `--customize-hook=${customizeScript(base.sudo).trim().replaceAll('\n', '; ')}`,
    ...(base.sudo ? [`--customize-hook=upload ${sourcesList} /etc/apt/sources.list`] : []),
    base.suite,
    '-',
    '-',
  ] as const;
  try {
    await runStep([...argv] as [string, ...string[]], {
      input: `${base.sources.map(toAptLine).join('\n')}\n`,
      stdoutFile: target,
      onLine: options.onLine,
      timeoutMs: TIMEOUT_MS,
      // A user namespace cannot enter a private directory, so only root builds inside it
      env: isRoot ? { TMPDIR: stagingDir } : {},
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    throw explain(error, base);
  }
  return target;
}

function packagesFor(sudo: boolean): readonly string[] {
  return [...PACKAGES, ...(sudo ? SUDO_PACKAGES : [])];
}

/** Runs at the end of the build with the root directory as `$1`. A password of `*` is "none", which sshd does not take for a locked account. */
function customizeScript(sudo: boolean): string {
  return `set -eu
root="$1"
echo "agent:x:1000:" >> "$root/etc/group"
echo "agent:*::" >> "$root/etc/gshadow"
echo "agent:x:1000:1000:agent:/home/agent:/bin/sh" >> "$root/etc/passwd"
echo "agent:*:19000:0:99999:7:::" >> "$root/etc/shadow"
mkdir -p "$root/home/agent" "$root/work" "$root/etc/terok" "$root/usr/lib/terok" "$root/run/sshd"
chown 1000:1000 "$root/home/agent" "$root/work"
chmod 0700 "$root/home/agent"
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
rm -rf "$root"/var/cache/* "$root"/var/log/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/sources.list* "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/usr/share/man "$root"/usr/share/locale
rm -rf "$root"/var/lib/dpkg/*-old "$root"/etc/*- "$root"/usr/share/perl5/Pod
find "$root/usr/lib" -name __pycache__ -prune -exec rm -rf {} +
${sudo ? 'echo "agent ALL=(ALL:ALL) NOPASSWD: ALL" > "$root/etc/sudoers.d/agent"\nchmod 0440 "$root/etc/sudoers.d/agent"\nchmod u+s "$root/usr/bin/sudo"\n' : ''}`;
}

/** The host's own proxy for apt, which mmdebstrap does not read. */
async function proxyOptions(): Promise<readonly string[]> {
  const dump = await run(['apt-config', 'dump', 'Acquire']).catch(() => undefined);
  const lines = dump?.stdout.toString('utf8').split('\n') ?? [];
  return lines.filter((line) => /^Acquire::https?::Proxy(?:::\S+)? "[^"]+";$/.test(line)).map((line) => line.replace(/;$/, ''));
}

function explain(error: unknown, { suite, sources }: DebianBase): unknown {
  if (!(error instanceof TerokError) || error.code !== 'RUNTIME_FAILED') return error;
  const mirrors = [...new Set(sources.map((source) => withoutCredentials(source).uri))].join(', ');
  return new TerokError(
    'IMAGE_UNAVAILABLE',
    `The base image could not be made from Debian \`${suite}\` (${mirrors}): ${messageOf(error)}`,
    {
      context: { suite, mirrors, ...error.context },
      hint: 'Check the mirror in `/etc/apt`, or set `image.base` to a registry reference, an archive or a root filesystem.',
      cause: error,
    },
  );
}
