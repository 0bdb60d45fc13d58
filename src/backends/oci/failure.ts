import { type ErrorCode, TerokError } from '../../core/index.ts';

interface Meaning {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** stderr of Podman, conmon and the OCI runtimes → what it means; the first match wins. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /no space left on device|disk quota exceeded|\bENOSPC\b/i,
    code: 'DISK_FULL',
    message: 'No space is left for containers and images',
    hint: 'Free space where Podman keeps its storage, for example with `terok image prune`.',
  },
  {
    pattern: /(container )?name .* is already in use|already exists.*name/i,
    code: 'ALREADY_EXISTS',
    message: 'A container of that name exists',
    hint: 'Remove it with `terok rm`, or choose another name.',
  },
  {
    pattern: /image not known|no such image|image .* not found|unable to find a name and tag match|failed to find image/i,
    code: 'IMAGE_UNAVAILABLE',
    message: 'The image does not exist in the local store',
    hint: 'Build it with `terok image build`.',
  },
  {
    pattern: /no container with (name or )?ID|no such (container|object)|no container found/i,
    code: 'NOT_FOUND',
    message: 'The container does not exist',
    hint: 'List the bottles with `terok list`.',
  },
  {
    pattern: /can only create exec sessions on running containers|container .* is not running|container state improper/i,
    code: 'WRONG_STATE',
    message: 'The container is not running',
    hint: 'Start it with `terok start`.',
  },
  {
    pattern: /cgroups in hybrid mode not supported/i,
    code: 'BACKEND_UNAVAILABLE',
    message: 'The OCI runtime refuses the hybrid cgroup layout of this host',
    hint: 'Run `terok doctor`; it says how to prepare the host.',
  },
  {
    pattern: /newuidmap|newgidmap|no subuid ranges|cannot find (UID|GID) mappings|insufficient (UIDs|GIDs)/i,
    code: 'BACKEND_UNAVAILABLE',
    message: 'Rootless Podman has no usable range of user ids',
    hint: 'Add ranges for your user to /etc/subuid and /etc/subgid, then run `podman system migrate`.',
  },
  {
    pattern: /setrlimit .*Operation not permitted/i,
    code: 'BACKEND_UNAVAILABLE',
    message: 'A resource limit is above what this host lets terok set',
    hint: 'Lower `limits.files`, or raise the hard limits of the calling user.',
  },
  {
    pattern: /the handler does not support exec/i,
    code: 'UNSUPPORTED_BY_BACKEND',
    message: 'This runtime cannot run commands through Podman',
    hint: 'Use an image with OpenSSH.',
  },
  {
    pattern: /`?\/dev\/kvm`? unavailable|Error creating the Kvm object/i,
    code: 'BACKEND_UNAVAILABLE',
    message: 'Hardware virtualisation is not usable here',
    hint: 'Check that /dev/kvm exists and that you may open it.',
  },
  {
    pattern: /Couldn't find or load libkrunfw|failed to open `?libkrun/i,
    code: 'DEPENDENCY_MISSING',
    message: 'libkrun or libkrunfw is not installed',
    hint: 'Install libkrun and libkrunfw.',
  },
  {
    pattern: /failed to spawn thread: Os \{ code: 11|Resource temporarily unavailable/i,
    code: 'RUNTIME_FAILED',
    message: 'The host ran out of processes or memory for the container',
    hint: 'End other work on this host, or raise the process limit.',
  },
  {
    pattern: /conmon exited prematurely|conmon failed/i,
    code: 'RUNTIME_FAILED',
    message: 'The monitor of the container died',
    hint: 'Run the command again; if it stays, look at the system log.',
  },
  {
    pattern: /manifest unknown|reading manifest .*(not found|unauthorized|denied)|requested access to the resource is denied/i,
    code: 'IMAGE_UNAVAILABLE',
    message: 'The registry has no such image, or does not show it',
    hint: 'Check the reference; where the registry wants a login, `podman login` stores one.',
  },
  {
    pattern: /dial tcp|connection refused|TLS handshake|i\/o timeout|no such host|pinging container registry/i,
    code: 'IMAGE_UNAVAILABLE',
    message: 'The registry could not be reached',
    hint: 'Check the network, or build the image from a local source.',
  },
  {
    pattern: /OCI permission denied|OCI runtime (error|attempted)|crun:|runc/i,
    code: 'RUNTIME_FAILED',
    message: 'The OCI runtime failed',
    hint: 'Run `terok doctor`.',
  },
];

/** Bytes of stderr that an error keeps. */
const MAX_STDERR = 2_000;

/** Turns what a Podman command printed into an error that says what it means. `action` is a verb phrase such as `create container \`x\``. */
export function classifyFailure(action: string, stderr: string, context: Readonly<Record<string, unknown>> = {}): TerokError {
  const text = stderr.trim().slice(-MAX_STDERR);
  const meaning = MEANINGS.find((entry) => entry.pattern.test(text));
  const lines = text.split('\n').filter((line) => line !== '');
  const lastLine = lines.findLast((line) => /^error:/i.test(line)) ?? lines.at(-1) ?? 'no output';
  const details = { ...context, stderr: text };
  if (meaning === undefined)
    return new TerokError('RUNTIME_FAILED', `Podman failed to ${action}: ${lastLine}`, { context: details, hint: 'Run `terok doctor`.' });
  return new TerokError(meaning.code, `Podman failed to ${action}: ${meaning.message} (${lastLine}).`, {
    context: details,
    hint: meaning.hint,
  });
}
