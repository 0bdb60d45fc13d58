import path from 'node:path';
import type { BuildImageOptions, CallOptions, ImageStore, RunResult, StoredImage } from '../../core/index.ts';
import { TerokError } from '../../core/index.ts';
import { classifyFailure } from './failure.ts';
import { describeImage, isMissing } from './image-description.ts';
import { assertImageReference } from './image-reference.ts';
import { parseImages } from './inspect.ts';
import { forEachLine, LastLines } from './lines.ts';
import type { Machine } from './machine.ts';
import type { PodmanHost } from './podman-host.ts';
import { processLimitThatWorks } from './quirks.ts';

/** Importing or loading some gigabytes on a slow disk. */
const TRANSFER_TIMEOUT_MS = 1_800_000;
const PULL_RETRIES = 3;
const MAX_OPEN_FILES = 1_048_576;

/** The images of one Podman. `host` is asked for at the first use, so that a machine without Podman can still hold the object. */
export function createImageStore(host: () => Promise<PodmanHost>): ImageStore {
  const call = async (action: string, args: readonly string[], { signal }: CallOptions = {}): Promise<string> =>
    (await host()).call(action, args, { timeoutMs: TRANSFER_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
  const require = async (reference: string, options?: CallOptions): Promise<StoredImage> => {
    const image = await inspectImage(await host(), reference, options);
    if (image !== undefined) return image;
    throw new TerokError('IMAGE_UNAVAILABLE', `The image \`${reference}\` does not exist though it was just made.`, {
      hint: 'Run the command again.',
    });
  };
  return {
    inspect: async (reference, options) => inspectImage(await host(), reference, options),
    async importRootfs(tarFile, reference, labels, options) {
      const changes = Object.entries(labels).flatMap(([name, value]) => ['--change', `LABEL ${name}=${value}`]);
      await call(`import \`${tarFile}\``, ['import', '--quiet', ...changes, path.resolve(tarFile), reference], options);
      return require(reference, options);
    },
    async loadArchive(file, reference, options) {
      const loaded = loadedReference(await call(`load \`${file}\``, ['load', '--quiet', '--input', path.resolve(file)], options), file);
      await call(`name the image \`${reference}\``, ['tag', loaded, reference], options);
      return require(reference, options);
    },
    async pull(source, reference, options = {}) {
      await pullWithRetries(await host(), source, options);
      await call(`name the image \`${reference}\``, ['tag', source, reference], options);
      return require(reference, options);
    },
    async build(options) {
      await buildImage(await host(), options);
      return require(options.reference, options);
    },
    async list(label, options) {
      const ids = (await call('list images', ['images', '--quiet', '--no-trunc', '--filter', `label=${label}`], options))
        .split('\n')
        .filter((line) => line !== '');
      const unique = [...new Set(ids)];
      return unique.length === 0
        ? []
        : parseImages(await call('describe images', ['image', 'inspect', ...unique], options)).map(({ image }) => image);
    },
    remove: async (reference, options) => removeImage(await host(), reference, options),
  };
}

function cancel(options: CallOptions | undefined): CallOptions {
  return options?.signal === undefined ? {} : { signal: options.signal };
}

async function inspectImage(host: PodmanHost, reference: string, options?: CallOptions): Promise<StoredImage | undefined> {
  assertImageReference(reference);
  return (await describeImage(host, reference, cancel(options)))?.image;
}

async function removeImage(host: PodmanHost, reference: string, options?: CallOptions): Promise<void> {
  const result = await host.run(['rmi', reference], cancel(options));
  if (result.exitCode !== 0 && !isMissing(result)) fail(`remove the image \`${reference}\``, result);
}

function fail(action: string, result: RunResult): never {
  throw classifyFailure(action, result.stderr.toString('utf8'), { exitCode: result.exitCode });
}

/** `podman load` says `Loaded image: name` or `Loaded image(s): sha256:…`; an archive of several images does not say which one is meant. */
function loadedReference(output: string, file: string): string {
  const found = [...output.matchAll(/^Loaded images?(?:\(s\))?: (.+)$/gm)].map((match) => (match[1] ?? '').trim());
  const [only] = found;
  if (only !== undefined && found.length === 1 && !only.includes(',')) return only;
  throw new TerokError('IMAGE_UNAVAILABLE', `\`${file}\` holds ${found.length === 0 ? 'no image' : 'several images'}.`, {
    hint: 'Use an archive with exactly one image.',
  });
}

async function pullWithRetries(host: PodmanHost, source: string, options: CallOptions): Promise<void> {
  const { default: retry, AbortError } = await import('p-retry');
  const attempt = async (): Promise<void> => {
    try {
      await host.call(`pull the image \`${source}\``, ['pull', '--quiet', source], { timeoutMs: TRANSFER_TIMEOUT_MS, ...cancel(options) });
    } catch (error) {
      if (error instanceof Error && /manifest unknown|denied|unauthorized|not found|invalid reference/i.test(error.message))
        throw new AbortError(error);
      throw error;
    }
  };
  await retry(attempt, { retries: PULL_RETRIES, minTimeout: 500, ...cancel(options) });
}

/** Podman 5 asks for 1 048 576 open files and processes in a build step, which fails where the own limit may not be raised. */
function buildLimits({ uid, mayRaiseLimits, hardLimits, pidMax }: Machine): string[] {
  if (uid !== 0 || mayRaiseLimits) return [];
  const files = Math.min(hardLimits.files, MAX_OPEN_FILES);
  const processes = processLimitThatWorks(hardLimits.processes, pidMax);
  return ['--ulimit', `nofile=${files}:${files}`, '--ulimit', `nproc=${processes}:${processes}`];
}

/** Build steps get no network and no image from elsewhere: what they need is in the context. */
async function buildImage(host: PodmanHost, options: BuildImageOptions): Promise<void> {
  const labels = Object.entries(options.labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
  const context = path.resolve(options.contextDir);
  const argv = [
    'build',
    '--network',
    'none',
    '--pull=never',
    '--http-proxy=false',
    '--layers=false',
    ...buildLimits(host.machine),
    '--file',
    path.join(context, 'Containerfile'),
    '--tag',
    options.reference,
    ...labels,
    context,
  ];
  const child = host.stream(argv, cancel(options));
  const tail = new LastLines();
  const note = (line: string): void => {
    tail.push(line);
    options.onProgress?.(line);
  };
  await Promise.all([forEachLine(child.stdout, note), forEachLine(child.stderr, note)]);
  const exitCode = await child.exited;
  options.signal?.throwIfAborted();
  if (exitCode !== 0) throw classifyFailure(`build the image \`${options.reference}\``, tail.toString(), { exitCode });
}
