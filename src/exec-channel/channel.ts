import type { Duplex } from 'node:stream';
import type {
  BottleProcess,
  BottleUser,
  BufferedExecOptions,
  CopyInOptions,
  CopyOutOptions,
  CopyReport,
  ExecOptions,
  ExecResult,
} from '../core/index.ts';
import { type ChannelTransport, Connection } from './connection.ts';
import { copyIn } from './copy-in.ts';
import { copyOut } from './copy-out.ts';
import { execBuffered } from './exec-buffered.ts';
import type { ChannelIdentity } from './identity.ts';
import { spawnOn } from './spawn.ts';

export interface ChannelOptions {
  /** Unix socket that gives each client one connection to the bottle's SSH server */
  readonly execSocket: string;
  readonly identity: ChannelIdentity;
  /** A bottle that says nothing for so long, when asked, counts as lost; two minutes by default */
  readonly silenceMs?: number;
  /** Closes the channel */
  readonly signal?: AbortSignal;
}

/**
 * The way into a bottle: commands and files, over one SSH connection per user that is opened on demand and again after a loss.
 * Commands that run when a connection is lost end as `lost`; calls that cannot reach the bottle fail with CHANNEL_LOST.
 */
export interface Channel {
  /** NOT_FOUND with `context.kind` `command` (and `exitCode` 127 or 126), `cwd` or `user` for a command that did not start */
  exec(argv: readonly string[], options?: BufferedExecOptions): Promise<ExecResult>;
  spawn(argv: readonly string[], options?: ExecOptions): Promise<BottleProcess>;
  /** ALREADY_EXISTS for a target that exists; COPY_REFUSED for a source that is no file, directory or link */
  copyIn(source: string, target: string, options?: CopyInOptions): Promise<CopyReport>;
  /** ALREADY_EXISTS, NOT_FOUND, DISK_FULL, or COPY_REFUSED for an archive that breaks the rules; then nothing is left on the host */
  copyOut(source: string, target: string, options?: CopyOutOptions): Promise<CopyReport>;
  /** See `Bottle.connect` */
  connect(port: number): Promise<Duplex>;
  close(): void;
}

/** Gives a channel without connecting; see `Channel`. */
export function openChannel({ signal, ...options }: ChannelOptions): Channel {
  return openChannelOver((user) => new Connection({ ...options, user }), signal);
}

/** As `openChannel`, over another way to run shell programs as a user. */
export function openChannelOver(connect: (user: BottleUser) => ChannelTransport, signal?: AbortSignal): Channel {
  const connections = new Map<BottleUser, ChannelTransport>();
  const connectionOf = (user: BottleUser): ChannelTransport => {
    const connection = connections.get(user) ?? connect(user);
    connections.set(user, connection);
    return connection;
  };
  const spawn = (argv: readonly string[], options: ExecOptions = {}): ReturnType<typeof spawnOn> =>
    spawnOn(connectionOf(options.user ?? 'agent'), argv, options);
  const channel: Channel = {
    exec: (argv, options = {}) => execBuffered(spawn, argv, options),
    spawn,
    copyIn: (source, target, options = {}) => copyIn(channel, { source, target, options }),
    copyOut: (source, target, options = {}) => copyOut(channel, { source, target, options }),
    connect: (port) => connectionOf('agent').connect(port),
    close: () => {
      connectionOf('agent').close();
      connectionOf('root').close();
    },
  };
  signal?.addEventListener('abort', () => channel.close(), { once: true });
  if (signal?.aborted === true) channel.close();
  return channel;
}
