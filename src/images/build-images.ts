import path from 'node:path';
import { type ImageStore, type StoredImage, TerokError, type TerokPaths } from '../core/index.ts';
import { AGENT_LAYER_RECIPE, type ImageAgent, makeAgentLayer } from './agent-layer.ts';
import { aptSourcesFor, defaultSuite } from './apt-sources.ts';
import { type BaseImage, identityOf } from './base-image.ts';
import { withClaim } from './claim.ts';
import { contentHash } from './content-hash.ts';
import { type DebianBase, debianInputs, makeDebianRootfs } from './debian-base.ts';
import { type ForeignBase, makeDerivedBase } from './derived-base.ts';
import { explainingFullDisk } from './disk-full.ts';
import type { Architecture } from './npm-packages.ts';
import { pinPackages } from './pin-packages.ts';
import type { OnImageProgress } from './progress.ts';
import { withStaging } from './staging.ts';

export interface ImageRequest {
  readonly base: BaseImage;
  /** None makes the base image alone */
  readonly agents: readonly ImageAgent[];
  readonly sudo: boolean;
  /** Looks for newer packages: resolves versions again and builds anew where they changed; the base image is always made anew */
  readonly refresh?: boolean;
  /** Builds even where an image of the same inputs exists */
  readonly force?: boolean;
}

export interface BuildImagesOptions {
  readonly store: ImageStore;
  readonly request: ImageRequest;
  readonly paths: TerokPaths;
  readonly onProgress?: OnImageProgress;
  readonly signal?: AbortSignal;
  readonly architecture?: Architecture;
}

export interface LayerResult {
  readonly layer: 'l0' | 'l1';
  readonly reference: string;
  readonly id: string;
  readonly bytes: number;
  readonly how: 'cached' | 'built';
}

export interface ImagesResult {
  /** Tag of the image that bottles start from */
  readonly reference: string;
  readonly id: string;
  readonly layers: readonly LayerResult[];
}

/** Changes whenever `derived-base.ts` makes another image of the same inputs. */
const DERIVED_RECIPE = 1;

interface Context extends BuildImagesOptions {
  readonly progress: OnImageProgress;
  readonly architecture: Architecture;
}

/**
 * Makes the images that a request needs, each only where no image of the same inputs exists. Of several processes exactly one
 * builds; the others wait for it. A killed build leaves no tag.
 */
export async function buildImages(options: BuildImagesOptions): Promise<ImagesResult> {
  const context: Context = {
    ...options,
    progress: options.onProgress ?? (() => undefined),
    architecture: options.architecture ?? hostArchitecture(),
  };
  const base = await planBase(context);
  const l0 = await ensureLayer(context, 'l0', base.hash, {}, base.make);
  if (options.request.agents.length === 0) return { reference: l0.reference, id: l0.id, layers: [l0] };
  const agents = await planAgentLayer(context, l0);
  const l1 = await ensureLayer(context, 'l1', agents.hash, agents.labels, agents.make);
  return { reference: l1.reference, id: l1.id, layers: [l0, l1] };
}

interface LayerInputs {
  readonly reference: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stagingDir: string;
}

interface LayerPlan {
  readonly hash: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly make: (inputs: LayerInputs) => Promise<StoredImage>;
}

async function ensureLayer(
  context: Context,
  layer: 'l0' | 'l1',
  hash: string,
  extra: Readonly<Record<string, string>>,
  make: LayerPlan['make'],
): Promise<LayerResult> {
  const { store, paths, request, progress, signal } = context;
  const reference = `localhost/terok/${layer}:${hash}`;
  const call = signal === undefined ? {} : { signal };
  const replaced =
    request.force === true || (request.refresh === true && layer === 'l0') ? (await store.inspect(reference, call))?.id : undefined;
  const isDone = async (): Promise<LayerResult | undefined> => {
    const image = await store.inspect(reference, call);
    return image === undefined || image.id === replaced ? undefined : result(layer, reference, image, 'cached');
  };
  const build = async (): Promise<LayerResult> => {
    progress({ kind: 'step', layer, message: `building \`${reference}\`` });
    const labels = { 'terok.layer': layer, 'terok.hash': hash, ...extra };
    const image = await withStaging(paths, (stagingDir) =>
      explainingFullDisk(`the image \`${reference}\``, () => make({ reference, labels, stagingDir })),
    );
    return result(layer, reference, image, 'built');
  };
  const onWait = (pid: number): void =>
    progress({ kind: 'step', layer, message: `waiting for process ${pid}, which builds \`${reference}\`` });
  return await withClaim(path.join(paths.state, 'images', `${layer}-${hash}.claim`), { isDone, onWait, ...call }, build);
}

function result(layer: 'l0' | 'l1', reference: string, image: StoredImage, how: 'cached' | 'built'): LayerResult {
  return { layer, reference, id: image.id, bytes: image.bytes, how };
}

async function planBase(context: Context): Promise<LayerPlan> {
  const { request, architecture } = context;
  if (request.base.kind === 'debian') return await planDebian(context, request.base.suite ?? (await defaultSuite()));
  const base: ForeignBase = request.base;
  const identity = base.kind === 'registry' ? base.reference : await identityOf(base.kind === 'archive' ? base.file : base.path);
  return {
    hash: contentHash(['derived', DERIVED_RECIPE, base.kind, identity, request.sudo, architecture]),
    labels: {},
    make: async (inputs) => {
      context.progress({ kind: 'step', layer: 'l0', message: `fetching the base image (${base.kind})` });
      return await makeDerivedBase({ ...stepOptions(context, 'l0'), ...inputs, base, sudo: request.sudo });
    },
  };
}

async function planDebian(context: Context, suite: string): Promise<LayerPlan> {
  const base: DebianBase = { suite, sources: await aptSourcesFor(suite), sudo: context.request.sudo };
  return {
    hash: contentHash(['debian', debianInputs(base), context.architecture]),
    labels: {},
    make: async ({ reference, labels, stagingDir }) => {
      context.progress({ kind: 'step', layer: 'l0', message: `making Debian \`${suite}\` with mmdebstrap` });
      const step = stepOptions(context, 'l0');
      const rootfs = await makeDebianRootfs(base, stagingDir, step);
      context.progress({ kind: 'step', layer: 'l0', message: 'importing the root filesystem' });
      return await context.store.importRootfs(rootfs, reference, labels, context.signal === undefined ? {} : { signal: context.signal });
    },
  };
}

async function planAgentLayer(context: Context, base: LayerResult): Promise<LayerPlan> {
  const { request, architecture } = context;
  const agents = [...request.agents].sort((a, b) => (a.name < b.name ? -1 : 1));
  const packages = await pinPackages({ ...context, agents, refresh: request.refresh === true });
  const recipe = agents.map(({ binary, install, verify }) => [binary, install, verify]);
  return {
    hash: contentHash([AGENT_LAYER_RECIPE, base.id, architecture, packages, recipe]),
    labels: { 'terok.agents': agents.map(({ name }) => name).join(','), 'terok.base': base.reference },
    make: async (inputs) => {
      context.progress({
        kind: 'step',
        layer: 'l1',
        message: `fetching ${packages.map(({ name, version }) => `${name}@${version}`).join(', ')}`,
      });
      return await makeAgentLayer({
        ...stepOptions(context, 'l1'),
        ...inputs,
        baseReference: base.reference,
        agents,
        packages,
        architecture,
      });
    },
  };
}

function stepOptions(
  { store, progress, signal }: Context,
  layer: 'l0' | 'l1',
): { store: ImageStore; onLine: (line: string) => void; signal?: AbortSignal } {
  return { store, onLine: (line) => progress({ kind: 'line', layer, line }), ...(signal === undefined ? {} : { signal }) };
}

function hostArchitecture(): Architecture {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new TerokError('UNSUPPORTED_BY_BACKEND', `Images are made for x64 and arm64; this machine is \`${process.arch}\`.`);
}
