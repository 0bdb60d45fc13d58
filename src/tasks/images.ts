/** Which image a task needs, and the image commands of the facade. */
import { findAgent, loadRoster } from '../agents/index.ts';
import type { EffectiveSettings } from '../core/config/index.ts';
import { loadGlobalConfig } from '../core/config/index.ts';
import { type RuntimeBackend, TerokError } from '../core/index.ts';
import { listRecords } from '../core/resolve/index.ts';
import {
  buildImages,
  type ImageProgress,
  type ImageRequest,
  listImages,
  pruneImages,
  type TerokImage,
  toBaseImage,
} from '../images/index.ts';
import type { ImageBuildRequest, ImageSummary, RunEvents, RunRequest } from './api.ts';
import type { TaskContext } from './context.ts';

interface TaskImageInputs {
  readonly request: RunRequest;
  readonly settings: EffectiveSettings;
  /** Agents that the image must hold */
  readonly agents: readonly string[];
  readonly events: RunEvents;
}

/** A name of an image, and what it stood for when it was looked at. */
export interface TaskImage {
  readonly reference: string;
  /** Content address, `sha256:…` */
  readonly id: string;
}

/** The task's image; builds it where it does not exist. An image that the user named is taken as it is. */
export async function ensureTaskImage(
  context: TaskContext,
  backend: RuntimeBackend,
  { request, settings, agents, events }: TaskImageInputs,
): Promise<TaskImage> {
  if (request.image !== undefined) return await existingImage(backend, request.image);
  const wanted = await imageRequest(context, agents, settings);
  const { reference, id } = await buildImages({
    store: backend.images,
    request: { ...wanted, sudo: request.sudo ?? settings.sudo },
    paths: context.paths,
    onProgress: (event) => events.onProgress({ stage: 'image', message: textOf(event) }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  return { reference, id };
}

async function existingImage(backend: RuntimeBackend, reference: string): Promise<TaskImage> {
  const found = await backend.images.inspect(reference);
  if (found !== undefined) return { reference, id: found.id };
  throw new TerokError('IMAGE_UNAVAILABLE', `The image \`${reference}\` does not exist on this machine.`, {
    context: { reference },
    hint: 'Leave `--image` out to have one built, or set `image.base.registry` in the configuration to have one pulled.',
  });
}

export async function buildRequested(
  context: TaskContext,
  backend: RuntimeBackend,
  request: ImageBuildRequest,
): Promise<readonly ImageSummary[]> {
  const { value: settings } = await loadGlobalConfig(context.paths);
  const { layers } = await buildImages({
    store: backend.images,
    request: {
      ...(await imageRequest(context, request.agents, settings)),
      sudo: settings.sudo ?? false,
      ...(request.force === undefined ? {} : { force: request.force }),
      ...(request.refresh === undefined ? {} : { refresh: request.refresh }),
    },
    paths: context.paths,
    onProgress: (event) => request.onProgress?.({ stage: 'image', message: textOf(event) }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  const built = new Set(layers.map(({ reference }) => reference));
  return (await listImages(backend.images)).filter(({ reference }) => built.has(reference)).map(toSummary);
}

export async function listTerokImages(backend: RuntimeBackend): Promise<readonly ImageSummary[]> {
  return (await listImages(backend.images)).map(toSummary);
}

/** Keeps what a bottle was made from; without `all` also the newest image of each kind. */
export async function pruneUnused(context: TaskContext, backend: RuntimeBackend, all: boolean): Promise<readonly ImageSummary[]> {
  const used = (await listRecords(context.paths)).flatMap((entry) =>
    entry.kind === 'record' && entry.record.phase !== 'removed' && entry.record.plan !== undefined ? [entry.record.plan.spec.image] : [],
  );
  const newest = all ? [] : newestOfEachKind(await listImages(backend.images));
  return (await pruneImages({ store: backend.images, keep: [...used, ...newest] })).map(toSummary);
}

function newestOfEachKind(images: readonly TerokImage[]): string[] {
  const newest = new Map<string, TerokImage>();
  for (const image of images) {
    const kind = `${image.layer} ${image.agents.join(',')}`;
    const known = newest.get(kind);
    if (known === undefined || known.createdAt < image.createdAt) newest.set(kind, image);
  }
  return [...newest.values()].map(({ reference }) => reference);
}

async function imageRequest(
  context: TaskContext,
  agents: readonly string[],
  settings: Pick<EffectiveSettings, 'image'>,
): Promise<Omit<ImageRequest, 'sudo'>> {
  const roster = agents.length === 0 ? undefined : await loadRoster(context.paths.config);
  return {
    base: toBaseImage(settings.image?.base),
    agents: roster === undefined ? [] : agents.map((name) => findAgent(roster, name)),
  };
}

function toSummary({ reference, layer, id, bytes, createdAt, agents }: TerokImage): ImageSummary {
  return { reference, layer, id, bytes, createdAt, agents };
}

function textOf(event: ImageProgress): string {
  return event.kind === 'step' ? event.message : event.line;
}
