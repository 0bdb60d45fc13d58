import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type ImageStore, isTerokError, messageOf, type StoredImage, TerokError } from '../core/index.ts';
import type { BaseImage } from './base-image.ts';
import { runStep } from './run-step.ts';

export type ForeignBase = Exclude<BaseImage, { kind: 'debian' }>;

/** Programs without which a foreign base image cannot become a bottle. */
const REQUIRED = ['sh', 'bash', 'git', 'sshd', 'tar'];
const MISSING_MARK = 'terok-missing:';

export interface DerivedBaseOptions {
  readonly store: ImageStore;
  readonly base: ForeignBase;
  readonly sudo: boolean;
  readonly reference: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stagingDir: string;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Makes the base image from somebody else's: fetches it, checks what it lacks, adds the agent user. No build step has a network. */
export async function makeDerivedBase(options: DerivedBaseOptions): Promise<StoredImage> {
  const { store, stagingDir, reference } = options;
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const source = reference.replace('/l0:', '/base:');
  await fetchBase(options, source);
  const contextDir = path.join(stagingDir, 'context');
  await mkdir(contextDir);
  await writeFile(path.join(contextDir, 'prepare.sh'), prepareScript(options.sudo));
  await writeFile(
    path.join(contextDir, 'Containerfile'),
    `FROM ${source}\nUSER root\nCOPY prepare.sh /usr/lib/terok/prepare.sh\nRUN ["/bin/sh", "/usr/lib/terok/prepare.sh"]\nWORKDIR /\n`,
  );
  const missing: string[] = [];
  const onProgress = (line: string): void => {
    if (line.includes(MISSING_MARK)) missing.push(line.slice(line.indexOf(MISSING_MARK) + MISSING_MARK.length).trim());
    options.onLine(line);
  };
  try {
    return await store.build({ contextDir, reference, labels: options.labels, onProgress, ...call });
  } catch (error) {
    throw explain(error, options.base, missing);
  } finally {
    await store.remove(source);
  }
}

async function fetchBase({ store, base, stagingDir, onLine, signal }: DerivedBaseOptions, reference: string): Promise<void> {
  const call = signal === undefined ? {} : { signal };
  switch (base.kind) {
    case 'registry':
      await store.pull(base.reference, reference, call);
      return;
    case 'archive':
      await store.loadArchive(base.file, reference, call);
      return;
    case 'rootfs':
      await store.importRootfs(await asTar(base.path, stagingDir, { onLine, ...call }), reference, {}, call);
      return;
    default:
      base satisfies never;
  }
}

async function asTar(
  source: string,
  stagingDir: string,
  options: { readonly onLine: (line: string) => void; readonly signal?: AbortSignal },
): Promise<string> {
  if (!(await stat(source)).isDirectory()) return source;
  const target = path.join(stagingDir, 'rootfs.tar');
  await runStep(['tar', '--create', '--numeric-owner', '--one-file-system', '--directory', source, '--file', target, '.'], {
    ...options,
    timeoutMs: 10 * 60_000,
  });
  return target;
}

/** Runs in the foreign image with nothing but its own `sh`; another user of id 1000 gives way to the agent. */
function prepareScript(sudo: boolean): string {
  const needed = sudo ? [...REQUIRED, 'sudo'] : REQUIRED;
  return `set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
missing=
for program in ${needed.join(' ')}; do command -v "$program" >/dev/null 2>&1 || missing="$missing $program"; done
if [ -n "$missing" ]; then echo "${MISSING_MARK}$missing"; exit 64; fi
for file in passwd group; do
  : > "/etc/$file.terok"
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in agent:*|*:*:1000:*) ;; *) printf '%s\\n' "$line" >> "/etc/$file.terok" ;; esac
  done < "/etc/$file"
done
echo 'agent:x:1000:' >> /etc/group.terok
echo 'agent:x:1000:1000:agent:/home/agent:/bin/sh' >> /etc/passwd.terok
for file in passwd group; do cat "/etc/$file.terok" > "/etc/$file"; rm "/etc/$file.terok"; done
if [ -f /etc/shadow ]; then echo 'agent:*:19000:0:99999:7:::' >> /etc/shadow; fi
if ! grep -q '^sshd:' /etc/passwd; then echo 'sshd:x:74:65534:sshd:/run/sshd:/usr/sbin/nologin' >> /etc/passwd; fi
mkdir -p /home/agent /work /etc/terok /usr/lib/terok /run/sshd
chown 1000:1000 /home/agent /work
chmod 0700 /home/agent
find / -xdev -type f \\( -perm -4000 -o -perm -2000 \\) -exec chmod ug-s {} +
${sudo ? 'mkdir -p /etc/sudoers.d\necho \'agent ALL=(ALL:ALL) NOPASSWD: ALL\' > /etc/sudoers.d/agent\nchmod 0440 /etc/sudoers.d/agent\nchmod u+s "$(command -v sudo)"\n' : ''}rm -f /etc/ssh/ssh_host_* /usr/lib/terok/prepare.sh
`;
}

function explain(error: unknown, base: ForeignBase, missing: readonly string[]): unknown {
  const fromMessage = new RegExp(`${MISSING_MARK}([^\\n"]*)`).exec(
    `${messageOf(error)} ${isTerokError(error) ? JSON.stringify(error.context) : ''}`,
  )?.[1];
  const names = (missing[0] ?? fromMessage ?? '')
    .trim()
    .split(/\s+/)
    .filter((name) => name !== '');
  if (names.length === 0) return error;
  const what = base.kind === 'registry' ? base.reference : base.kind === 'archive' ? base.file : base.path;
  return new TerokError(
    'IMAGE_UNAVAILABLE',
    `The base image \`${what}\` lacks ${names.map((name) => `\`${name}\``).join(', ')}, which every bottle needs.`,
    {
      context: { base, missing: names },
      hint: 'Add the packages (for example `bash git openssh-server tar`) to that image, or leave `image.base` out to use Debian.',
      cause: error,
    },
  );
}
