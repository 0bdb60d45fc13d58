import type { EgressPolicy, GateRules, PublishedPort } from '../../core/index.ts';
import type { UpstreamProxy } from '../../core/upstream-proxy.ts';

/** Everything that the gateway of one bottle needs to know: `<stateDir>/gateway.json`, mode 0600. Holds names of secrets, never values. */
export interface GatewayPlan {
  readonly version: 1;
  readonly slug: string;
  readonly project: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  /** argv before the programs that make and enter the network namespace, see `BottlePlan.namespaceLauncher` */
  readonly namespaceLauncher: readonly string[];
  readonly policy: EgressPolicy;
  /** Directory of the vault */
  readonly vaultDir: string;
  /** File with the token that was put into the bottle to be noticed when it leaves; absent for a bottle without one */
  readonly canaryFile?: string;
  /** Program of terok that pauses the bottle when the canary left; absent where its backend cannot */
  readonly onCanary?: { readonly main: string; readonly argument: string };
  /** PEM files `certificate` and `key` of the bottle's own CA */
  readonly ca: { readonly certificate: string; readonly key: string };
  /** The git gate that this bottle clones from and pushes to; absent for a task without git */
  readonly gate?: GatePlan;
  /** Extra CAs (PEM file) trusted for upstreams, beside the host's own */
  readonly upstreamCa?: string;
  /** Proxy of the host */
  readonly upstreamProxy?: UpstreamProxy;
  readonly targets?: TargetsPlan;
  /** SHA-256 of what the bottle's init says first, see `digestOfProof`; absent where its user id shows who it is */
  readonly controlProof?: string;
  /** Ports of the bottle that this machine can reach; none where absent */
  readonly published?: PublishedPorts;
}

export interface PublishedPorts {
  /** Loopback address of the host that only this bottle has */
  readonly address: string;
  readonly ports: readonly PublishedPort[];
}

/** Servers that the process which makes the bottle started itself, for `terok redteam`; see `targetResolver`. */
export interface TargetsPlan {
  /** Asked for names below `.test`, for example `127.0.0.1:40053` */
  readonly nameServer: string;
  /** PEM file of the CA that signed their certificates */
  readonly caFile: string;
}

export interface GatePlan {
  /** Absolute path of the project's bare repository */
  readonly repository: string;
  /** The one ref that the bottle may write, `refs/heads/terok/<slug>`; also `refs/heads/terok/<slug>.<name>` */
  readonly writableRef: string;
  /** Rules that every push is held against; the defaults where absent */
  readonly rules?: GateRules;
  /** Where objects of Git LFS are kept; not served where absent */
  readonly lfs?: LfsPlan;
  /** Program of terok that is run when a push was taken, with the lines of the hook on its standard input; none where absent */
  readonly afterPush?: { readonly main: string; readonly argument: string };
}

export interface LfsPlan {
  /** Absolute path of the directory of this task's objects */
  readonly directory: string;
  /** `lfs/objects` of the user's repository: read, never written */
  readonly offered?: string;
}

/** Addresses and names inside every sealed network. */
export const SEALED = {
  /** AnyIP block: every address is "this host" inside the bottle's namespace */
  block: '198.18.0.0/15',
  serviceAddress: '198.18.0.1',
  dnsPort: 53,
  /** The bottle's init dials here; each connection becomes one SSH session of the host */
  controlPort: 2022,
  proxyPort: 3128,
  gateAddress: '198.18.0.2',
  gateName: 'gate.terok.internal',
  gatePort: 80,
  /** Path of the repository on the gate: `http://gate.terok.internal/repo.git` */
  gatePath: '/repo.git',
} as const;
