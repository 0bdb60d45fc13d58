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
import {
  type BottleContext,
  createImageStore,
  createPodmanHost,
  examinePodmanHost,
  LABELS,
  launchBottle,
  type Machine,
  openExistingBottle,
  type PodmanHost,
  parseContainerList,
  removeLabelled,
  resolvePlan,
} from '../oci/index.ts';
import { CONTAINER_PROFILE } from './container-profile.ts';
import { describeWeaknesses } from './probe-notes.ts';

export interface PodmanBackendOptions {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  /** What the machine is like; read from the kernel by default */
  readonly machine?: Machine;
}

/** Bottles as hardened Podman containers, rootful or rootless, whichever this user has. */
export function createPodmanBackend(options: PodmanBackendOptions): BottleBackend {
  return new PodmanBackend(options);
}

class PodmanBackend implements BottleBackend {
  readonly name = 'podman';
  readonly capabilities: BackendCapabilities = {
    isolation: 'container',
    ownKernel: false,
    network: 'sealed',
    execWithoutSsh: true,
    terminal: true,
    copySymlinks: true,
    persistentFiles: true,
    rootUser: true,
    enforcesLimits: true,
  };
  readonly images: ImageStore;
  readonly #options: PodmanBackendOptions;
  #host: Promise<PodmanHost> | undefined;

  constructor(options: PodmanBackendOptions) {
    this.#options = options;
    this.images = createImageStore(() => this.#openHost());
  }

  warm(): void {
    this.#openHost().then(
      (host) => host.libpod.usable(),
      () => undefined,
    );
  }

  async probe(options: CallOptions = {}): Promise<ProbeReport> {
    const examination = await examinePodmanHost({ ...this.#hostOptions(), ...options });
    if ('host' in examination)
      return { state: 'available', version: examination.host.facts.version, notes: describeWeaknesses(examination.host) };
    const absent = examination.problems.some(({ code }) => code === 'PODMAN_MISSING');
    return { state: absent ? 'absent' : 'broken', findings: examination.problems };
  }

  async resolve(spec: BottleSpec): Promise<BottlePlan> {
    return resolvePlan(spec, await this.#openHost(), this.#options.paths, this.name);
  }

  async launch(plan: BottlePlan, inputs: LaunchInputs, options: CallOptions = {}): Promise<Bottle> {
    return launchBottle(await this.#context(), plan, inputs, options);
  }

  async open(plan: BottlePlan, network: SealedNetwork, options: CallOptions = {}): Promise<Bottle> {
    return openExistingBottle(await this.#context(), plan, network, options);
  }

  async list(options: CallOptions = {}): Promise<readonly RuntimeEntry[]> {
    const host = await this.#openHost();
    return parseContainerList(await host.call('list containers', ['ps', '--all', '--format', 'json', ...this.#ownFilters()], options));
  }

  /** The label decides what is terok's, never the name alone. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await removeLabelled(
      await this.#openHost(),
      { [LABELS.owner]: this.#options.paths.state, [LABELS.backend]: this.name, [LABELS.slug]: id },
      options,
    );
  }

  #ownFilters(): string[] {
    return ['--filter', `label=${LABELS.owner}=${this.#options.paths.state}`, '--filter', `label=${LABELS.backend}=${this.name}`];
  }

  async #context(): Promise<BottleContext> {
    return {
      host: await this.#openHost(),
      profile: CONTAINER_PROFILE,
      owner: this.#options.paths.state,
      runtimeDir: this.#options.paths.runtime,
    };
  }

  #hostOptions(): Parameters<typeof createPodmanHost>[0] {
    const { env, paths, machine } = this.#options;
    return { env, runtimeDir: paths.runtime, ...(machine === undefined ? {} : { machine }) };
  }

  #openHost(): Promise<PodmanHost> {
    const opening = (this.#host ??= createPodmanHost(this.#hostOptions()));
    opening.catch(() => {
      if (this.#host === opening) this.#host = undefined;
    });
    return opening;
  }
}
