import type { Readable } from 'node:stream';
import type {
  BackendCapabilities,
  BottleProcess,
  BottleStatus,
  CopyReport,
  ExecOptions,
  ExitStatus,
  LimitName,
  ProbeReport,
  PublishedPort,
  ResourceLimits,
  Route,
  TerminalSize,
} from '../core/index.ts';
import type { Statement, UpstreamAge } from '../projects/git/index.ts';
import type { ReEntry } from '../review/index.ts';
import type { EgressApi } from './egress-api.ts';
import type { GitApi, SyncView, UpstreamView } from './git-api.ts';

export type { SyncView, UpstreamAge, UpstreamView };

import type { ApplyWish, PushReport, PushWish, Reviews } from './reviews-api.ts';

/** What `Terok.run` is asked for; absent fields come from the project's and the global configuration, then from the defaults. */
export interface RunRequest {
  /** Absolute path of the directory with the work: a git repository, or any other directory, which is copied in */
  readonly source: string;
  readonly agent?: string;
  /** Instruction for the agent, headless */
  readonly prompt?: string;
  readonly model?: string;
  /** Runs this argv as the agent user instead of an agent; never a shell string */
  readonly command?: readonly string[];
  readonly backend?: string;
  /** Wish for the task's slug; minted from the source where absent */
  readonly name?: string;
  /** Taken literally */
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: Partial<ResourceLimits>;
  readonly allowUnenforced?: readonly LimitName[];
  readonly sudo?: boolean;
  /** Keeps the bottle running when the agent has ended */
  readonly keep?: boolean;
  /** Gives the agent the caller's terminal */
  readonly interactive?: boolean;
  /** Size of the caller's terminal, with `interactive` */
  readonly terminal?: TerminalSize;
  /** Ends the agent after this time; none by default */
  readonly timeoutMs?: number;
  readonly image?: string;
  readonly agentArgs?: readonly string[];
  /** Egress routes beside those of the agent and the configuration */
  readonly routes?: readonly Route[];
  /** Ports that this machine can reach, beside those of the configuration */
  readonly ports?: readonly PublishedPort[];
  /** Stops agent and bottle; what the agent did is kept */
  readonly signal?: AbortSignal;
}

export interface ProgressEvent {
  readonly stage: string;
  readonly message: string;
}

export interface RunEvents {
  readonly onProgress: (event: ProgressEvent) => void;
  /** A chunk of the agent's output; untrusted bytes. The agent waits while the promise is pending */
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Buffer) => void | Promise<void>;
  /** Called once when the task's slug is known and its record is written */
  readonly onTask?: (slug: string) => void;
  /** Called once when the bottle runs, where it has published ports */
  readonly onPorts?: (ports: readonly PortAddress[]) => void;
  /** What a person should know while the agent runs: its bottle sent its canary, and what came of that */
  readonly onNote?: (note: string) => void;
  /** With `interactive`: the running agent, for the caller to connect its terminal to */
  readonly onProcess?: (process: BottleProcess) => void;
}

/** A port of a bottle, and where this machine reaches it. */
export interface PortAddress extends PublishedPort {
  /** Loopback address that only this bottle has */
  readonly address: string;
}

export interface CommitSummary {
  /** Object id */
  readonly id: string;
  readonly subject: string;
  readonly author: string;
}

export interface ChangedFile {
  readonly path: string;
  readonly change: 'added' | 'modified' | 'deleted' | 'renamed' | 'typeChanged';
  readonly insertions?: number;
  readonly deletions?: number;
}

export interface RunOutcome {
  readonly slug: string;
  readonly status: ExitStatus;
  /** Exit status that the process of the caller should end with: the agent's own, or 128 + signal */
  readonly exitCode: number;
  /** Branch in the gate, `refs/heads/terok/<slug>`; absent for a task without git */
  readonly branch?: string;
  readonly commits: readonly CommitSummary[];
  readonly files: readonly ChangedFile[];
  /** What a person should know: what was not in the clone, what was refused, what was asked for and not granted */
  readonly notes: readonly string[];
  /** Stage → `ms` */
  readonly stages: Readonly<Record<string, number>>;
}

export interface TaskSummary {
  readonly slug: string;
  readonly project: string;
  readonly backend: string;
  readonly agent?: string;
  readonly status: BottleStatus;
  /** Whether nothing leaves the bottle because it sent its canary; `status` says more */
  readonly sentCanary: boolean;
  readonly phase: string;
  /** ISO 8601 */
  readonly createdAt: string;
  readonly source: string;
  readonly commits?: number;
  /** Where the project has an upstream */
  readonly upstream?: UpstreamAge;
  /** Published ports; none once the bottle is removed */
  readonly ports: readonly PortAddress[];
}

export interface TaskStatus extends TaskSummary {
  readonly image: string;
  readonly limits: ResourceLimits;
  readonly missingLimits: readonly LimitName[];
  readonly routes: readonly Route[];
  readonly branch?: string;
  readonly gateway: 'running' | 'stopped';
  readonly exit?: ExitStatus;
  readonly notes: readonly string[];
}

export type CopyRequest = { readonly slug: string; readonly signal?: AbortSignal } & (
  | { readonly direction: 'in'; readonly hostPath: string; readonly bottlePath: string }
  | {
      readonly direction: 'out';
      readonly bottlePath: string;
      readonly hostPath: string;
      /** Says whether files that would run on this machine may land; where absent, none may */
      readonly accept?: (files: readonly ReEntry[]) => Promise<boolean>;
    }
);

export interface ImageSummary {
  readonly reference: string;
  readonly layer: string;
  readonly id: string;
  readonly bytes: number;
  readonly createdAt: string;
  /** Agents in the image */
  readonly agents: readonly string[];
}

export interface ImageBuildRequest {
  /** Names from the roster; none builds the base image alone */
  readonly agents: readonly string[];
  readonly backend?: string;
  /** Builds even where an image of the same inputs exists */
  readonly force?: boolean;
  /** Asks for newer versions of the packages */
  readonly refresh?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
}

export interface BackendReport {
  readonly name: string;
  readonly isDefault: boolean;
  readonly isolation: string;
  readonly capabilities: BackendCapabilities;
  readonly probe: ProbeReport;
}

export interface DoctorFinding {
  readonly severity: 'ok' | 'note' | 'problem';
  readonly area: string;
  readonly message: string;
  readonly fix?: string;
}

export interface AgentSummary {
  readonly name: string;
  readonly title: string;
  /** Where the roster entry comes from: `built-in`, or the file of the user */
  readonly origin: string;
  /** Names of the secrets that it uses, and whether each is stored */
  readonly secrets: readonly { readonly name: string; readonly stored: boolean }[];
  readonly hosts: readonly string[];
}

export interface ConfigReport {
  readonly project: string;
  /** Files that were read, in rising precedence */
  readonly files: readonly string[];
  /** The settings that a task of this project would get; JSON */
  readonly settings: unknown;
  /** Setting → where its value comes from */
  readonly origins: Readonly<Record<string, string>>;
  /** What the repository's own file asks for and was not granted */
  readonly notGranted: readonly { readonly what: string; readonly how: string }[];
}

/** Where uncommitted or committed work of a task goes when it is applied. */
export interface ApplyReport {
  readonly slug: string;
  /** Branch that was made in the user's repository, or the files that were changed in a directory without git */
  readonly branch?: string;
  /** What a person runs next to merge the branch */
  readonly mergeCommand?: readonly string[];
  readonly commits: readonly CommitSummary[];
  readonly files: readonly ChangedFile[];
}

/**
 * Everything that terok does, for the command line, tests and other programs. Slugs may be shortened to an unambiguous prefix.
 * Every method throws `TerokError`.
 *
 * @example
 * const terok = createTerok();
 * const outcome = await terok.run({ source: process.cwd(), command: ['npm', 'test'] }, { onProgress: () => {}, onOutput: () => {} });
 */
export interface Terok {
  run(request: RunRequest, events: RunEvents): Promise<RunOutcome>;
  list(): Promise<readonly TaskSummary[]>;
  status(slug: string): Promise<TaskStatus>;
  /** Runs a command in a task's bottle; the way into the bottle stays open until the command has ended and its outputs were read. */
  exec(slug: string, argv: readonly string[], options?: ExecOptions): Promise<BottleProcess>;
  copy(request: CopyRequest): Promise<CopyReport>;
  /** Output of the agent so far; with `follow`, until it ends. Untrusted bytes */
  logs(slug: string, options?: { readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<Readable>;
  stop(slug: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  start(slug: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Removes bottle, records and gate branch; `force`: also where it runs or holds work that was not applied */
  remove(slug: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Unified diff of the task's work; untrusted text */
  diff(slug: string): Promise<AsyncIterable<Buffer | string>>;
  /** Takes work that was approved; `approve`: the digest of the review that the person agrees with now. Throws REFUSED without either */
  apply(slug: string, wish?: ApplyWish): Promise<ApplyReport>;
  /** The signed statement about a commit of a directory; throws NOT_FOUND without one, REFUSED where it does not hold */
  verifyProvenance(source: string, revision: string): Promise<Statement>;
  discard(slug: string): Promise<void>;
  /** Takes approved work to the upstream of the project, and opens a pull request where its forge is named. Throws REFUSED without approval */
  push(slug: string, wish?: PushWish): Promise<PushReport>;
  readonly reviews: Reviews;
  readonly images: {
    build(request: ImageBuildRequest): Promise<readonly ImageSummary[]>;
    list(): Promise<readonly ImageSummary[]>;
    /** Removes images that no bottle and no current configuration needs */
    prune(options?: { readonly all?: boolean }): Promise<readonly ImageSummary[]>;
  };
  readonly secrets: {
    /** `oauth`: the value is the JSON of an OAuth login */
    set(name: string, value: string, options?: { readonly oauth?: boolean }): Promise<void>;
    list(): Promise<readonly { readonly name: string; readonly updatedAt: string }[]>;
    remove(name: string): Promise<void>;
  };
  readonly egress: EgressApi;
  readonly git: GitApi;
  backends(): Promise<readonly BackendReport[]>;
  doctor(): Promise<readonly DoctorFinding[]>;
  agents(): Promise<readonly AgentSummary[]>;
  /** The configuration for a directory */
  config(source: string): Promise<ConfigReport>;
}

export interface TerokOptions {
  readonly env?: NodeJS.ProcessEnv;
  /**
   * Servers that the caller started on the loopback, for attacks on its own bottles: a name server (`127.0.0.1:PORT`) for names below
   * `.test`, and the PEM file of the CA of their certificates. A route must allow each of them like any other host.
   */
  readonly targets?: { readonly nameServer: string; readonly caFile: string };
  /** Told of every task of a killed process that was repaired */
  readonly onRepair?: (repair: { readonly slug: string; readonly message: string }) => void;
}
