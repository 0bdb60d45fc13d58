import type { BottlePlan, SeedFile } from '../../core/index.ts';
import type { BottleWay } from './bottle-way.ts';
import type { PodmanHost } from './podman-host.ts';

/** What one kind of bottle asks of the container that it is: all in which the backends on Podman differ from each other. */
export interface ContainerProfile {
  /** Without the prefix `CAP_`; everything else is dropped */
  readonly capabilities: readonly string[];
  readonly stopSignal: NodeJS.Signals;
  readonly noNewPrivileges: (plan: BottlePlan) => boolean;
  /** What the runtime reads beside the configuration; these, and no others that it acts upon, may be there */
  readonly annotations: (plan: BottlePlan) => Readonly<Record<string, string>>;
  readonly limits: (plan: BottlePlan, host: PodmanHost) => ContainerLimits;
  /** The gateway cannot tell users of the bottle apart, so its init has to prove itself */
  readonly provesItself: boolean;
  /** Files of an image that would change what the runtime makes of it; such an image is refused */
  readonly refusedFiles: readonly string[];
  /** Programs of the host that run in the namespaces of the container before its first process, and no others do */
  readonly hooks: readonly OciHook[];
  /** One sentence for each mount of the made container, given as its `mountinfo`, that its first process must not find */
  readonly madeDifferences?: (mountinfo: string) => readonly string[];
  /** Shell program that root of the bottle runs to end it; for bottles whose first process gets no signals from outside */
  readonly stopScript?: string;
  /** Files beside those that every bottle gets */
  readonly seeds: (plan: BottlePlan) => readonly SeedFile[];
  /** How commands are run in an image without OpenSSH; such an image is refused where it is absent */
  readonly withoutSsh?: WayWithoutSsh;
}

/** A program of the stage `createContainer`, as the OCI configuration spells it. */
export interface OciHook {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds */
  readonly timeout: number;
}

export interface ContainerLimits {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly pids: number;
  readonly files: number;
}

export interface WayWithoutSsh {
  /** argv of the first process */
  readonly init: readonly string[];
  readonly seeds: () => readonly SeedFile[];
  readonly open: (host: PodmanHost, runtimeDir: string, containerId: string) => BottleWay;
}
