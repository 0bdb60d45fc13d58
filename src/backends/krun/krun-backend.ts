import {
  type BackendCapabilities,
  type Bottle,
  type BottleBackend,
  type BottlePlan,
  type BottleSpec,
  type CallOptions,
  type ImageStore,
  type LaunchInputs,
  type ProbeFinding,
  type ProbeReport,
  type RuntimeEntry,
  type SealedNetwork,
  TerokError,
  type TerokPaths,
} from '../../core/index.ts';
import {
  type BottleContext,
  createImageStore,
  createPodmanHost,
  examinePodmanHost,
  LABELS,
  launchBottle,
  openExistingBottle,
  type PodmanHost,
  parseContainerList,
  removeLabelled,
} from '../oci/index.ts';
import { bootProblem } from './boot-probe.ts';
import { findKrun, type Krun } from './find-krun.ts';
import { findKvmProblems } from './kvm.ts';
import { describeMachines } from './machine-notes.ts';
import { MACHINE_PROFILE } from './machine-profile.ts';
import { resolveMachine } from './resolve-machine.ts';

export interface KrunBackendOptions {
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  /** Where the runtime may be; the places of the system by default */
  readonly krunPaths?: readonly string[];
}

/** Bottles as microVMs: Podman's containers, each of which is the monitor of one machine made by libkrun. */
export function createKrunBackend(options: KrunBackendOptions): BottleBackend {
  return new KrunBackend(options);
}

type Readiness = { readonly host: PodmanHost; readonly krun: Krun } | { readonly findings: readonly [ProbeFinding, ...ProbeFinding[]] };

class KrunBackend implements BottleBackend {
  readonly name = 'krun';
  readonly capabilities: BackendCapabilities = {
    isolation: 'microvm',
    ownKernel: true,
    network: 'sealed',
    execWithoutSsh: false,
    terminal: true,
    copySymlinks: true,
    persistentFiles: true,
    rootUser: true,
    enforcesLimits: true,
  };
  readonly images: ImageStore;
  readonly #options: KrunBackendOptions;
  #store: Promise<PodmanHost> | undefined;
  #ready: Promise<Readiness> | undefined;

  constructor(options: KrunBackendOptions) {
    this.#options = options;
    this.images = createImageStore(() => this.#openStore());
  }

  async probe(options: CallOptions = {}): Promise<ProbeReport> {
    const readiness = await this.#examine(options);
    if ('host' in readiness) {
      const { crun, libkrun, libkrunfw } = readiness.krun;
      const version = `crun ${crun}, libkrun ${libkrun}, libkrunfw ${libkrunfw}`;
      return { state: 'available', version, notes: describeMachines(readiness.host, readiness.krun) };
    }
    const absent = readiness.findings.some(({ code }) => code === 'PODMAN_MISSING' || code === 'KRUN_MISSING');
    return { state: absent ? 'absent' : 'broken', findings: readiness.findings };
  }

  async resolve(spec: BottleSpec, options: CallOptions = {}): Promise<BottlePlan> {
    return resolveMachine(spec, await this.#openHost(options), this.#options.paths, this.name);
  }

  async launch(plan: BottlePlan, inputs: LaunchInputs, options: CallOptions = {}): Promise<Bottle> {
    return launchBottle(await this.#context(options), plan, inputs, options);
  }

  async open(plan: BottlePlan, network: SealedNetwork, options: CallOptions = {}): Promise<Bottle> {
    return openExistingBottle(await this.#context(options), plan, network, options);
  }

  async list(options: CallOptions = {}): Promise<readonly RuntimeEntry[]> {
    const { state } = this.#options.paths;
    const filters = ['--filter', `label=${LABELS.owner}=${state}`, '--filter', `label=${LABELS.backend}=${this.name}`];
    const host = await this.#openStore();
    return parseContainerList(await host.call('list containers', ['ps', '--all', '--format', 'json', ...filters], options));
  }

  async remove(id: string, options: CallOptions = {}): Promise<void> {
    const labels = { [LABELS.owner]: this.#options.paths.state, [LABELS.backend]: this.name, [LABELS.slug]: id };
    await removeLabelled(await this.#openStore(), labels, options);
  }

  async #context(options: CallOptions): Promise<BottleContext> {
    const { state, runtime } = this.#options.paths;
    return { host: await this.#openHost(options), profile: MACHINE_PROFILE, owner: state, runtimeDir: runtime };
  }

  /** Podman where machines run, or BACKEND_UNAVAILABLE with every reason. */
  async #openHost(options: CallOptions): Promise<PodmanHost> {
    const examining = (this.#ready ??= this.#examine(options));
    const readiness = await examining.finally(() => undefined);
    if ('host' in readiness) return readiness.host;
    if (this.#ready === examining) this.#ready = undefined;
    throw new TerokError(
      'BACKEND_UNAVAILABLE',
      `The backend \`krun\` cannot be used here: ${readiness.findings.map(({ message }) => message).join(' ')}`,
      {
        context: { findings: readiness.findings },
        hint: readiness.findings[0].fix,
      },
    );
  }

  async #examine(options: CallOptions): Promise<Readiness> {
    const [found, kvm] = await Promise.all([findKrun(this.#options.krunPaths), findKvmProblems()]);
    const [first, ...others] = [...('findings' in found ? found.findings : []), ...kvm];
    if (first !== undefined || !('krun' in found)) return { findings: [first ?? UNKNOWN, ...others] };
    const examination = await examinePodmanHost({ ...this.#hostOptions(), runtime: found.krun.path, ...options });
    if (!('host' in examination)) return { findings: examination.problems };
    const problem = await bootProblem(examination.host, found.krun, this.#options.paths.runtime, options);
    return problem === undefined ? { host: examination.host, krun: found.krun } : { findings: [problem] };
  }

  /** For images, and for what was made while machines ran here. */
  #openStore(): Promise<PodmanHost> {
    const opening = (this.#store ??= createPodmanHost(this.#hostOptions()));
    opening.catch(() => {
      if (this.#store === opening) this.#store = undefined;
    });
    return opening;
  }

  #hostOptions(): { readonly env: NodeJS.ProcessEnv; readonly runtimeDir: string } {
    return { env: this.#options.env, runtimeDir: this.#options.paths.runtime };
  }
}

const UNKNOWN: ProbeFinding = { code: 'KRUN_BROKEN', message: 'krun could not be examined.', fix: 'Run `krun --version` in a shell.' };
