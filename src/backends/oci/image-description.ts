import type { CallOptions, RunResult } from '../../core/index.ts';
import { classifyFailure } from './failure.ts';
import { type ImageDescription, parseImages } from './inspect.ts';
import { recallImage, rememberImage } from './known-images.ts';
import type { PodmanHost } from './podman-host.ts';

/** From looking whether an image is there to making a container of it. */
const FRESH_MS = 10_000;

interface Answer {
  readonly at: number;
  readonly description: ImageDescription;
}

const answers = new WeakMap<PodmanHost, Map<string, Answer>>();

/** What Podman says of an image; undefined where it does not exist here. */
export async function describeImage(host: PodmanHost, reference: string, options: CallOptions = {}): Promise<ImageDescription | undefined> {
  const recalled = await recallImage(host, reference);
  const description = recalled ?? (await askPodman(host, reference, options));
  if (description !== undefined) {
    if (recalled === undefined) await rememberImage(host, description);
    const known = answers.get(host) ?? new Map<string, Answer>();
    answers.set(host, known.set(reference, { at: performance.now(), description }));
  }
  return description;
}

async function askPodman(host: PodmanHost, reference: string, options: CallOptions): Promise<ImageDescription | undefined> {
  const text = (await host.libpod.usable()) ? await askService(host, reference, options) : await askProgram(host, reference, options);
  return text === undefined ? undefined : parseImages(text)[0];
}

async function askService(host: PodmanHost, reference: string, options: CallOptions): Promise<string | undefined> {
  const path = `/images/${encodeURIComponent(reference)}/json`;
  const { status, text } = await host.libpod.call(`look for the image \`${reference}\``, {
    method: 'GET',
    path,
    accept: [404],
    ...options,
  });
  return status === 404 ? undefined : `[${text}]`;
}

async function askProgram(host: PodmanHost, reference: string, options: CallOptions): Promise<string | undefined> {
  const result = await host.run(['image', 'inspect', reference], options);
  if (result.exitCode === 0) return result.stdout.toString('utf8');
  if (isMissing(result)) return undefined;
  throw classifyFailure(`look for the image \`${reference}\``, result.stderr.toString('utf8'), { exitCode: result.exitCode });
}

/** As `describeImage`, or its last answer where that was just now: the caller must compare the image's id with what it then uses. */
export async function describeImageAgain(
  host: PodmanHost,
  reference: string,
  options: CallOptions = {},
): Promise<ImageDescription | undefined> {
  const last = answers.get(host)?.get(reference);
  return last !== undefined && performance.now() - last.at < FRESH_MS ? last.description : await describeImage(host, reference, options);
}

export function isMissing(result: RunResult): boolean {
  return /image not known|no such image|unable to find a name and tag match/i.test(result.stderr.toString('utf8'));
}
