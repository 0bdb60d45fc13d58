import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { appendFile, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Bottle,
  type BottlePlan,
  type BottleProcess,
  type BottleStatus,
  type BufferedExecOptions,
  type CopyInOptions,
  type CopyOutOptions,
  type CopyReport,
  type ExecOptions,
  type ExecResult,
  ignoreCodes,
  TerokError,
} from '../../core/index.ts';
import { underRoot } from './bottle-path.ts';
import { execBuffered } from './exec-buffered.ts';
import { copyIntoBottle, copyOutOfBottle } from './fake-copy.ts';
import { type FakeDirs, fakeDirs, readFakeState, writeFakeState } from './fake-dirs.ts';
import { type FakeProcess, startProcess } from './fake-process.ts';
import { findMarked, killAll, signalAll } from './process-tree.ts';

const DEFAULT_GRACE_MS = 5_000;
const POLL_MS = 20;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class FakeBottle implements Bottle {
  readonly plan: BottlePlan;
  readonly #dirs: FakeDirs;

  constructor(plan: BottlePlan) {
    this.plan = plan;
    this.#dirs = fakeDirs(plan);
  }

  get id(): string {
    return this.plan.spec.slug;
  }

  async status(): Promise<BottleStatus> {
    return (await readFakeState(this.plan)) ?? 'missing';
  }

  async start(): Promise<void> {
    const status = await this.status();
    if (status === 'missing') throw this.#missing();
    if (status === 'running') return;
    if (status === 'paused') throw this.#notRunning(status);
    await appendFile(this.#dirs.log, 'started\n');
    await writeFakeState(this.plan, 'running');
  }

  /** The state is written first: no command starts while the others are ended. */
  async stop({ graceMs = DEFAULT_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    const before = await this.status();
    if (before !== 'running' && before !== 'paused') return;
    await writeFakeState(this.plan, 'stopped');
    const find = (): Promise<number[]> => findMarked(this.#dirs.marker);
    const deadline = Date.now() + graceMs;
    signalAll(await find(), 'SIGTERM');
    if (before === 'paused') signalAll(await find(), 'SIGCONT');
    while (Date.now() < deadline && (await find()).length > 0) await sleep(POLL_MS);
    await killAll(find);
    await appendFile(this.#dirs.log, 'stopped\n');
  }

  /** The state is written first: no command starts that would not stand still. */
  async pause(): Promise<void> {
    const status = await this.status();
    if (status !== 'running') throw this.#notRunning(status);
    await writeFakeState(this.plan, 'paused');
    signalAll(await findMarked(this.#dirs.marker), 'SIGSTOP');
  }

  async resume(): Promise<void> {
    const status = await this.status();
    if (status === 'running') return;
    if (status !== 'paused') throw this.#notRunning(status);
    signalAll(await findMarked(this.#dirs.marker), 'SIGCONT');
    await writeFakeState(this.plan, 'running');
  }

  async exec(argv: readonly string[], options: BufferedExecOptions = {}): Promise<ExecResult> {
    return await execBuffered(await this.#start(argv, options), options);
  }

  async spawn(argv: readonly string[], options: ExecOptions = {}): Promise<BottleProcess> {
    return await this.#start(argv, options);
  }

  copyIn(source: string, target: string, options: CopyInOptions = {}): Promise<CopyReport> {
    return copyIntoBottle(this.#dirs.root, { source, target, options });
  }

  copyOut(source: string, target: string, options: CopyOutOptions = {}): Promise<CopyReport> {
    return copyOutOfBottle(this.#dirs.root, { source, target, options });
  }

  async connect(port: number): Promise<Duplex> {
    await this.#assertRunning();
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      throw new TerokError('NOT_FOUND', `Nothing listens on port ${port} of the bottle.`, {
        context: { kind: 'port', port },
        cause: error,
      });
    }
  }

  async logs(): Promise<Readable> {
    return createReadStream(this.#dirs.log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The handle holds nothing open
  }

  async #start(argv: readonly string[], options: ExecOptions): Promise<FakeProcess> {
    await this.#assertRunning();
    const home = `${this.#dirs.root}/home/agent`;
    const cwd = options.cwd === undefined ? home : underRoot(this.#dirs.root, options.cwd);
    const info = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => stat(cwd));
    if (info?.isDirectory() !== true) {
      throw new TerokError('NOT_FOUND', `The working directory \`${options.cwd}\` does not exist in the bottle.`, {
        context: { kind: 'cwd', cwd: options.cwd },
      });
    }
    const [marker = '', base = ''] = this.#dirs.marker.split(/=(.*)/s);
    const own = { PATH, HOME: home, USER: 'agent', LOGNAME: 'agent', SHELL: '/bin/sh', TMPDIR: `${this.#dirs.root}/tmp` };
    const env = { ...own, ...this.plan.spec.env, ...options.env, [marker]: base };
    return await startProcess({ argv, cwd, env, terminal: options.terminal }, options);
  }

  #notRunning(status: BottleStatus): TerokError {
    if (status === 'missing') return this.#missing();
    return new TerokError('WRONG_STATE', `The bottle \`${this.id}\` is ${status}.`, { hint: `Start it with \`terok start ${this.id}\`.` });
  }

  async #assertRunning(): Promise<void> {
    const status = await this.status();
    if (status !== 'running') throw this.#notRunning(status);
  }

  #missing(): TerokError {
    return new TerokError('NOT_FOUND', `There is no fake bottle \`${this.id}\`.`, { context: { slug: this.id } });
  }
}
