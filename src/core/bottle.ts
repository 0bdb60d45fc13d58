import type { Duplex, Readable, Writable } from 'node:stream';
import type { EgressPolicy } from './egress-policy.ts';

/** How a command in a bottle ended. `lost` is not the command's doing: the bottle or the way into it went away. */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'lost'; readonly reason: string };

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecOptions {
  /** Absolute path in the bottle; the home directory of `user` by default */
  readonly cwd?: string;
  /** Added to the bottle's environment; values never appear in a command line of the host */
  readonly env?: Readonly<Record<string, string>>;
  /** `agent` by default */
  readonly user?: BottleUser;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Gives the command a terminal; stdout and stderr are then one stream */
  readonly terminal?: TerminalSize;
}

export type BottleUser = 'agent' | 'root';

export interface BufferedExecOptions extends ExecOptions {
  readonly input?: string | Uint8Array | Readable;
  /** Bytes kept of each of stdout and stderr, 16 MiB by default; more is an error, not a cut */
  readonly maxOutputBytes?: number;
}

export interface ExecResult {
  readonly status: ExitStatus;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A running command. The streams are binary and back-pressured; `stdin.end()` closes the command's standard input. */
export interface BottleProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Never rejects once the command has started */
  readonly exited: Promise<ExitStatus>;
  resize(size: TerminalSize): void;
  /** Sends a signal, for example `TERM`, to the command and all its descendants */
  kill(signal: string): Promise<void>;
}

export interface CopyInOptions {
  readonly signal?: AbortSignal;
  /** Who owns the copies, `agent` by default */
  readonly owner?: BottleUser;
}

export interface CopyOutOptions {
  readonly signal?: AbortSignal;
  /** Refuses more than this in all; 2 GiB by default */
  readonly maxBytes?: number;
  /** Refuses more entries than this in all; 200 000 by default */
  readonly maxEntries?: number;
  /** Told of every file before the copy gets its name; where it throws, nothing of the copy stays */
  readonly beforePublish?: (files: readonly CopiedFile[]) => Promise<void>;
}

/** One regular file of a copy. */
export interface CopiedFile {
  /** Relative to the destination, empty for the destination itself; untrusted text */
  readonly path: string;
  readonly executable: boolean;
}

/** What was copied, paths relative to the destination. */
export interface CopyReport {
  readonly files: number;
  readonly bytes: number;
  /** Entries that a bottle may not bring out (links, devices, sockets), with the reason */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

export type BottleStatus = 'created' | 'running' | 'paused' | 'stopped' | 'failed' | 'missing';

/**
 * A sandbox made by a backend. All paths are absolute paths inside the bottle; argv is never joined into a shell string.
 *
 * @example
 * const result = await bottle.exec(['git', 'status'], { cwd: '/work/repo', timeoutMs: 10_000 });
 * if (result.status.kind === 'exited') console.log(result.status.code);
 */
export interface Bottle extends AsyncDisposable {
  readonly id: string;
  readonly plan: BottlePlan;
  status(): Promise<BottleStatus>;
  /** Starts a created or stopped bottle; resolves when exec works; does nothing to a running one */
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Ends all processes of the bottle: first asks, after `graceMs` (5 000 by default) kills; the files stay */
  stop(options?: { readonly graceMs?: number; readonly signal?: AbortSignal }): Promise<void>;
  /** Lets no process of a running bottle go on, until `resume`; where the backend is `pausable` */
  pause(): Promise<void>;
  /** Lets a paused bottle go on where it was; does nothing to a running one */
  resume(): Promise<void>;
  exec(argv: readonly string[], options?: BufferedExecOptions): Promise<ExecResult>;
  spawn(argv: readonly string[], options?: ExecOptions): Promise<BottleProcess>;
  /** Copies a file or directory of the host to `target`, which must not exist or be a directory's child to create; links are copied as links, never followed */
  copyIn(source: string, target: string, options?: CopyInOptions): Promise<CopyReport>;
  /** Copies a file or directory of the bottle to a path of the host that does not exist yet; only regular files and directories come out */
  copyOut(source: string, target: string, options?: CopyOutOptions): Promise<CopyReport>;
  /**
   * Opens a stream to a TCP port on which a program of the bottle listens, on every address or on its loopback. Untrusted bytes.
   * NOT_FOUND with `context.kind` `port` where nothing listens; UNSUPPORTED_BY_BACKEND where the image has no SSH server.
   */
  connect(port: number): Promise<Duplex>;
  /** What the bottle's first process printed; untrusted bytes */
  logs(options?: { readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<Readable>;
  /** Closes this handle; the bottle itself goes on */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A TCP port of the bottle's loopback that can be reached on the bottle's loopback address of the host. */
export interface PublishedPort {
  readonly hostPort: number;
  readonly port: number;
}

export type LimitName = 'memory' | 'cpus' | 'pids' | 'files' | 'disk';

export interface ResourceLimits {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly pids: number;
  /** Open file descriptors of one process */
  readonly files: number;
  /** Space of the files that the bottle adds to its image, `MiB`; no limit where absent */
  readonly diskMiB?: number;
}

/** What was asked for: complete, validated as data, nothing resolved against a machine yet. */
export interface BottleSpec {
  /** Identity of task, bottle and runtime object, see `parseSlug` */
  readonly slug: string;
  readonly project: string;
  /** Reference of an image that exists in the backend's image store */
  readonly image: string;
  /** Non-secret environment of every command in the bottle */
  readonly env: Readonly<Record<string, string>>;
  readonly limits: ResourceLimits;
  /** Limits that the user allowed to be missing where the host cannot enforce them */
  readonly unenforcedLimits: readonly LimitName[];
  /** Lets the agent become root inside; weakens the bottle because it needs setuid programs */
  readonly sudo: boolean;
  readonly egress: EgressPolicy;
  /** None where absent */
  readonly ports?: readonly PublishedPort[];
}

/** Everything resolved and checked for one backend; nothing created yet. JSON, kept in the bottle's record. */
export interface BottlePlan {
  readonly backend: string;
  readonly spec: BottleSpec;
  /** Name of the runtime's own object, for example the container */
  readonly runtimeName: string;
  /** Absolute path of the bottle's private state directory on the host */
  readonly stateDir: string;
  /** Absolute path of the bottle's runtime directory (sockets) on the host */
  readonly runtimeDir: string;
  /** Limits that this host cannot enforce and that the user allowed to be missing */
  readonly missingLimits: readonly LimitName[];
  /** argv before a program that makes or enters the bottle's network namespace; empty, or `podman unshare` where a user namespace owns it */
  readonly namespaceLauncher: readonly string[];
}

/** The network that a bottle is born into: made, and listened in, by the gateway before the bottle's first process exists. */
export interface SealedNetwork {
  /** Path that a runtime can join, for example `/proc/123/ns/net` */
  readonly namespacePath: string;
  /** Unix socket of the gateway that gives one connection to the bottle's SSH server for each client */
  readonly execSocket: string;
  /** Resolves when every listener is in place; a backend starts nothing before */
  readonly ready: Promise<void>;
}

/** Files that must be in the bottle before its first process starts: path in the bottle → content. */
export interface SeedFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly mode: number;
  readonly owner: BottleUser;
}
