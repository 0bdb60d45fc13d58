/*
 * Scope: bottles for tests of the layers above, made of directories and processes of this host. Out of scope: isolation of any kind;
 * a command can read and change whatever the user can, and reaches every network. Fail-safe direction: no command line can choose
 * this backend, and its capabilities say `none`.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import {
  type BackendCapabilities,
  type Bottle,
  type BottleBackend,
  type BottlePlan,
  type BottleSpec,
  bottleDirs,
  type CallOptions,
  type ImageStore,
  type LaunchInputs,
  type LimitName,
  makePrivateDir,
  type ProbeReport,
  parseSlug,
  type RuntimeEntry,
  systemCodeOf,
  TerokError,
  type TerokPaths,
  takenSlugs,
} from '../../core/index.ts';
import { FakeBottle } from './fake-bottle.ts';
import { fakeDirs, readFakeState, writeFakeState } from './fake-dirs.ts';
import { createFakeImageStore } from './fake-images.ts';
import { findMarked, killAll } from './process-tree.ts';
import { writeSeeds } from './seeds.ts';

export interface FakeBackendOptions {
  readonly paths: TerokPaths;
  /** References of images that exist from the start */
  readonly images?: readonly string[];
}

const LIMITS: readonly LimitName[] = ['memory', 'cpus', 'pids', 'files'];

/** Bottles without any isolation, for tests only. */
export function createFakeBackend(options: FakeBackendOptions): BottleBackend {
  return new FakeBackend(options);
}

class FakeBackend implements BottleBackend {
  readonly name = 'fake';
  readonly capabilities: BackendCapabilities = {
    isolation: 'none',
    ownKernel: false,
    network: 'none',
    execWithoutSsh: true,
    terminal: true,
    copySymlinks: true,
    persistentFiles: true,
    rootUser: false,
    pausable: true,
    enforcesLimits: false,
  };
  readonly images: ImageStore;
  readonly #paths: TerokPaths;

  constructor({ paths, images = [] }: FakeBackendOptions) {
    this.#paths = paths;
    this.images = createFakeImageStore(images);
  }

  async probe(): Promise<ProbeReport> {
    const note = { code: 'NO_ISOLATION', message: 'Bottles of this backend are processes of this host.', fix: 'Use it in tests only.' };
    return { state: 'available', version: '1', notes: [note] };
  }

  async resolve(spec: BottleSpec): Promise<BottlePlan> {
    const slug = parseSlug(spec.slug);
    if (spec.sudo) throw new TerokError('UNSUPPORTED_BY_BACKEND', 'The fake backend has no root user, so `sudo` cannot be given.');
    if ((await this.images.inspect(spec.image)) === undefined) {
      throw new TerokError('IMAGE_UNAVAILABLE', `The fake backend has no image \`${spec.image}\`.`, { context: { image: spec.image } });
    }
    const missing = spec.limits.diskMiB === undefined ? LIMITS : [...LIMITS, 'disk' as const];
    const refused = missing.filter((limit) => !spec.unenforcedLimits.includes(limit));
    if (refused.length > 0) {
      throw new TerokError('LIMIT_UNENFORCEABLE', `The fake backend enforces no limits; not allowed to be missing: ${refused.join(', ')}.`);
    }
    return {
      backend: this.name,
      spec,
      runtimeName: `terok-${slug}`,
      ...bottleDirs(this.#paths, slug),
      missingLimits: missing,
      namespaceLauncher: [],
    };
  }

  async launch(plan: BottlePlan, inputs: LaunchInputs, options: CallOptions = {}): Promise<Bottle> {
    inputs.network.ready.catch(() => undefined);
    await makeDirectories(plan);
    try {
      await writeFakeState(plan, 'created');
      await inputs.onPhase('created');
      await writeSeeds(fakeDirs(plan).root, inputs.seeds);
      await inputs.network.ready;
      options.signal?.throwIfAborted();
      await inputs.onPhase('sealed');
      const bottle = new FakeBottle(plan);
      await bottle.start();
      return bottle;
    } catch (error) {
      await removeDirectories(plan);
      throw error;
    }
  }

  async open(plan: BottlePlan): Promise<Bottle> {
    if ((await readFakeState(plan)) === undefined) throw new TerokError('NOT_FOUND', `There is no fake bottle \`${plan.spec.slug}\`.`);
    return new FakeBottle(plan);
  }

  async list(): Promise<readonly RuntimeEntry[]> {
    const slugs = await takenSlugs(this.#paths);
    const states = await Promise.all(slugs.map(async (id) => ({ id, status: await readFakeState(bottleDirs(this.#paths, id)) })));
    return states.flatMap(({ id, status }) => (status === undefined ? [] : [{ id, status }]));
  }

  async remove(id: string): Promise<void> {
    await removeDirectories(bottleDirs(this.#paths, id));
  }
}

/** `mkdir` lets exactly one of several launches win. */
async function makeDirectories(plan: BottlePlan): Promise<void> {
  const { base, root } = fakeDirs(plan);
  await makePrivateDir(path.dirname(base));
  try {
    await mkdir(base, { mode: 0o700 });
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
    throw new TerokError('ALREADY_EXISTS', `The fake bottle \`${plan.spec.slug}\` exists.`, {
      context: { slug: plan.spec.slug },
      cause: error,
    });
  }
  for (const dir of ['home/agent', 'tmp', 'work']) await mkdir(path.join(root, dir), { recursive: true });
}

async function removeDirectories(dirs: { readonly stateDir: string }): Promise<void> {
  const { base, marker } = fakeDirs(dirs);
  await killAll(() => findMarked(marker));
  await rm(base, { recursive: true, force: true, maxRetries: 5 });
}
