import type {
  BackendCapabilities,
  Bottle,
  BottleBackend,
  BottlePlan,
  BottleSpec,
  CallOptions,
  ImageStore,
  LaunchInputs,
  ProbeReport,
  RuntimeEntry,
  SealedNetwork,
  TerokPaths,
} from '../../core/index.ts';
import type { ContainerProfile } from './container-profile.ts';
import { createImageStore } from './image-store.ts';
import { LABELS, parseContainerList } from './inspect.ts';
import { launchBottle } from './launch.ts';
import { type BottleContext, openExistingBottle } from './open-bottle.ts';
import type { PodmanHost } from './podman-host.ts';
import { removeLabelled } from './remove.ts';

/** All in which one backend on Podman differs from another. */
export interface OciBackendKind {
  readonly name: string;
  readonly capabilities: BackendCapabilities;
  readonly profile: ContainerProfile;
  readonly paths: TerokPaths;
  readonly probe: (options: CallOptions) => Promise<ProbeReport>;
  /** See `BottleBackend.resolve` */
  readonly resolve: (spec: BottleSpec, host: PodmanHost, paths: TerokPaths, backend: string) => BottlePlan;
  /** Podman where bottles of this kind run, or BACKEND_UNAVAILABLE with every reason */
  readonly openHost: (options: CallOptions) => Promise<PodmanHost>;
  /** Podman for images, and for bottles that were made while they ran here */
  readonly openStore: () => Promise<PodmanHost>;
}

/** Bottles as containers of Podman. */
export class OciBackend implements BottleBackend {
  readonly images: ImageStore;
  readonly #kind: OciBackendKind;

  constructor(kind: OciBackendKind) {
    this.#kind = kind;
    this.images = createImageStore(kind.openStore);
  }

  get name(): string {
    return this.#kind.name;
  }

  get capabilities(): BackendCapabilities {
    return this.#kind.capabilities;
  }

  async ready(options: CallOptions = {}): Promise<void> {
    const host = await this.#kind.openHost(options);
    // starts Podman's service, which the next verbs wait for
    void host.libpod.usable();
  }

  async probe(options: CallOptions = {}): Promise<ProbeReport> {
    return this.#kind.probe(options);
  }

  async resolve(spec: BottleSpec, options: CallOptions = {}): Promise<BottlePlan> {
    return this.#kind.resolve(spec, await this.#kind.openHost(options), this.#kind.paths, this.name);
  }

  async launch(plan: BottlePlan, inputs: LaunchInputs, options: CallOptions = {}): Promise<Bottle> {
    return launchBottle(await this.#context(options), plan, inputs, options);
  }

  async open(plan: BottlePlan, network: SealedNetwork, options: CallOptions = {}): Promise<Bottle> {
    return openExistingBottle(await this.#context(options), plan, network, options);
  }

  async list(options: CallOptions = {}): Promise<readonly RuntimeEntry[]> {
    const filters = Object.entries(this.#ownLabels()).flatMap(([name, value]) => ['--filter', `label=${name}=${value}`]);
    const host = await this.#kind.openStore();
    return parseContainerList(await host.call('list containers', ['ps', '--all', '--format', 'json', ...filters], options));
  }

  /** The label decides what is terok's, never the name alone. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await removeLabelled(await this.#kind.openStore(), { ...this.#ownLabels(), [LABELS.slug]: id }, options);
  }

  #ownLabels(): Readonly<Record<string, string>> {
    return { [LABELS.owner]: this.#kind.paths.state, [LABELS.backend]: this.name };
  }

  async #context(options: CallOptions): Promise<BottleContext> {
    const { profile, paths } = this.#kind;
    return { host: await this.#kind.openHost(options), profile, owner: paths.state, runtimeDir: paths.runtime };
  }
}

/** Opens once for all callers, and anew after a failure. */
export function openOnce<T>(open: (options: CallOptions) => Promise<T>): (options?: CallOptions) => Promise<T> {
  let current: Promise<T> | undefined;
  return (options = {}) => {
    const opening = (current ??= open(options));
    opening.catch(() => {
      if (current === opening) current = undefined;
    });
    return opening;
  };
}
