import type { Duplex, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Bottle,
  BottlePlan,
  BottleProcess,
  BottleStatus,
  BufferedExecOptions,
  CopyInOptions,
  CopyOutOptions,
  CopyReport,
  ExecOptions,
  ExecResult,
  SealedNetwork,
} from '../../core/index.ts';
import { isTerokError, patient, TerokError } from '../../core/index.ts';
import type { BottleWay } from './bottle-way.ts';
import { startContainer } from './container-verbs.ts';
import { inspectState, noteDeath } from './dead-container.ts';
import { toStatus } from './inspect.ts';
import { readLogs } from './logs.ts';
import type { PodmanHost } from './podman-host.ts';
import type { ContainerStorage } from './storage-record.ts';

export interface OciBottleInputs {
  readonly host: PodmanHost;
  readonly plan: BottlePlan;
  readonly network: SealedNetwork;
  readonly storage: ContainerStorage;
  /** Opens the way into the running container; called again after a start */
  readonly openWay: () => Promise<BottleWay>;
  /** See `ContainerProfile` */
  readonly stopScript?: string | undefined;
  /** Prepares the stopped container anew, verified as at its launch */
  readonly prepare: (signal?: AbortSignal) => Promise<void>;
}

interface Cancel {
  readonly signal?: AbortSignal;
}

const ANSWER_TIMEOUT_MS = patient(30_000);
const STATUS_INTERVAL_MS = patient(500);
const DEFAULT_GRACE_MS = 5_000;
const STOP_MARGIN_MS = patient(30_000);

/** A container as a bottle. The way into it is opened when it is first needed. */
export class OciBottle implements Bottle {
  readonly #inputs: OciBottleInputs;
  #way: Promise<BottleWay> | undefined;
  #answered: Promise<void> | undefined;
  /** By this handle; what waits on its way in would run at the resume */
  #isPaused = false;
  #running: { known: boolean; readonly lookup: Promise<void> } | undefined;

  constructor(inputs: OciBottleInputs) {
    this.#inputs = inputs;
  }

  get id(): string {
    return this.#inputs.plan.spec.slug;
  }

  get plan(): BottlePlan {
    return this.#inputs.plan;
  }

  async status(): Promise<BottleStatus> {
    const { host, storage } = this.#inputs;
    const state = await inspectState(host, storage.id);
    if (state === undefined) return 'missing';
    if (await noteDeath(host, storage.id, state)) return 'stopped';
    return toStatus(state.status);
  }

  async start({ signal }: Cancel = {}): Promise<void> {
    const status = await this.status();
    if (status === 'running') return this.#waitForAnswer(signal);
    if (status === 'paused') throw this.#notRunning(status);
    await this.#closeWay();
    await this.#inputs.prepare(signal);
    await this.startPrepared(signal === undefined ? {} : { signal });
  }

  /** Starts the first process of a prepared container and waits until commands can be run. */
  async startPrepared({ signal }: Cancel = {}): Promise<void> {
    const { host, plan, storage } = this.#inputs;
    const options = signal === undefined ? {} : { signal };
    const started = startContainer(host, { id: storage.id, name: plan.runtimeName }, options);
    const answered = this.expectAnswer(signal);
    await started;
    const settled = new AbortController();
    try {
      await Promise.race([answered, this.#rejectWhenEnded(settled.signal)]);
    } finally {
      settled.abort();
      this.#answered = undefined;
    }
    this.#running = { known: true, lookup: Promise.resolve() };
  }

  /** Knocks already now: the connection waits at the gateway for the bottle's first call, and its library loads meanwhile. */
  expectAnswer(signal?: AbortSignal): Promise<void> {
    const answered = (this.#answered ??= this.#waitForAnswer(signal));
    answered.catch(() => undefined);
    return answered;
  }

  async #waitForAnswer(signal: AbortSignal | undefined): Promise<void> {
    const way = await this.#openWay();
    const { status } = await way.exec(['true'], { cwd: '/', timeoutMs: ANSWER_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
    if (status.kind === 'exited' && status.code === 0) return;
    throw new TerokError(
      'CHANNEL_LOST',
      `The bottle \`${this.id}\` does not run commands: its first one ended as ${JSON.stringify(status)}.`,
      { context: { slug: this.id, status } },
    );
  }

  /** A first process that ends at once would never answer. */
  async #rejectWhenEnded(settled: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(STATUS_INTERVAL_MS, undefined, { signal: settled });
      const status = await this.status();
      if (status === 'running' || settled.aborted) continue;
      const { stdout, stderr } = await this.#inputs.host.run(['logs', '--tail', '5', this.#inputs.storage.id]);
      const output = Buffer.concat([stdout, stderr]).toString('utf8').trim().slice(-500);
      throw new TerokError(
        'RUNTIME_FAILED',
        `The first process of bottle \`${this.id}\` ended at once (${status})${output === '' ? '.' : `: ${output}`}`,
        {
          context: { slug: this.id },
          hint: 'Use an image with bash and OpenSSH, such as the one that `terok image build` makes.',
        },
      );
    }
  }

  async stop({ graceMs = DEFAULT_GRACE_MS, signal }: Cancel & { readonly graceMs?: number } = {}): Promise<void> {
    const { host, plan, storage } = this.#inputs;
    const end = performance.now() + graceMs;
    if (graceMs > 0) await this.#askToStop(graceMs, signal);
    const seconds = Math.ceil(Math.max(end - performance.now(), 0) / 1000);
    const argv = ['stop', '--ignore', '--time', String(seconds), storage.id];
    const timeoutMs = seconds * 1000 + STOP_MARGIN_MS;
    this.#running = undefined;
    if ((await this.status()) === 'paused') await this.resume();
    await host.call(`stop the container \`${plan.runtimeName}\``, argv, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
    // commands keep their way out until the end, so that they can answer the stop
    await this.#closeWay();
  }

  async pause(): Promise<void> {
    const { host, plan, storage } = this.#inputs;
    await this.#assertRunning();
    this.#isPaused = true;
    await host.call(`pause the container \`${plan.runtimeName}\``, ['pause', storage.id]);
  }

  async resume(): Promise<void> {
    const { host, plan, storage } = this.#inputs;
    const status = await this.status();
    this.#isPaused = false;
    if (status === 'running') return;
    if (status !== 'paused') throw this.#notRunning(status);
    await host.call(`resume the container \`${plan.runtimeName}\``, ['unpause', storage.id]);
  }

  /** Whatever comes of it, the container is stopped after that. */
  async #askToStop(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { stopScript } = this.#inputs;
    if (stopScript === undefined || (await this.status()) !== 'running') return;
    const limits = { timeoutMs: graceMs, ...(signal === undefined ? {} : { signal }) };
    await this.#openWay()
      .then((way) => way.exec(['sh', '-c', stopScript], { user: 'root', cwd: '/', ...limits }))
      .catch((error: unknown) => {
        if (!isTerokError(error)) throw error;
      });
  }

  async exec(argv: readonly string[], options: BufferedExecOptions = {}): Promise<ExecResult> {
    const result = await this.#reach((way) => way.exec(argv, this.#withEnv(options)));
    if (result.status.kind === 'lost') this.#lookAgain();
    return result;
  }

  async spawn(argv: readonly string[], options: ExecOptions = {}): Promise<BottleProcess> {
    const child = await this.#reach((way) => way.spawn(argv, this.#withEnv(options)));
    void child.exited.then(({ kind }) => kind === 'lost' && this.#lookAgain());
    return child;
  }

  async copyIn(source: string, target: string, options: CopyInOptions = {}): Promise<CopyReport> {
    return this.#reach((way) => way.copyIn(source, target, options));
  }

  async copyOut(source: string, target: string, options: CopyOutOptions = {}): Promise<CopyReport> {
    return this.#reach((way) => way.copyOut(source, target, options));
  }

  connect(port: number): Promise<Duplex> {
    return this.#reach((way) => way.connect(port));
  }

  logs(options: Cancel & { readonly follow?: boolean } = {}): Promise<Readable> {
    return readLogs(this.#inputs.host, this.#inputs.storage.id, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closeWay();
  }

  #withEnv<T extends ExecOptions>(options: T): T {
    return { ...options, env: { ...this.plan.spec.env, ...options.env } };
  }

  /** A bottle that does not run would let its caller wait at the gateway: it is looked up while the first call is on its way. */
  async #reach<T>(work: (way: BottleWay) => Promise<T>): Promise<T> {
    if (this.#isPaused) await this.#assertRunning();
    const way = await this.#openWay();
    this.#running ??= { known: false, lookup: this.#assertRunning() };
    const running = this.#running;
    const done = work(way);
    done.catch((error: unknown) => {
      if (isTerokError(error) && (error.code === 'CHANNEL_LOST' || error.code === 'TIMEOUT')) this.#lookAgain();
    });
    if (running.known) return done;
    const refused = running.lookup.then(
      () => {
        running.known = true;
        return done;
      },
      async (error: unknown) => {
        this.#running = undefined;
        await this.#closeWay();
        throw error;
      },
    );
    return Promise.race([done, refused]);
  }

  /** After a loss the next call asks first whether the bottle runs at all. */
  #lookAgain(): void {
    this.#running = undefined;
  }

  async #assertRunning(): Promise<void> {
    const status = await this.status();
    if (status !== 'running') throw this.#notRunning(status);
  }

  #notRunning(status: BottleStatus): TerokError {
    if (status === 'missing')
      return new TerokError('NOT_FOUND', `The bottle \`${this.id}\` does not exist.`, { context: { slug: this.id } });
    const hint =
      status === 'paused'
        ? `\`terok status ${this.id}\` says why; \`terok egress resume ${this.id}\` lets it go on.`
        : `Start it with \`terok start ${this.id}\`.`;
    return new TerokError('WRONG_STATE', `The bottle \`${this.id}\` does not run; it is ${status}.`, {
      context: { slug: this.id, status },
      hint,
    });
  }

  #openWay(): Promise<BottleWay> {
    const opening = (this.#way ??= this.#inputs.openWay());
    // a way that could not be opened is tried anew by the next call
    opening.catch(() => {
      if (this.#way === opening) this.#way = undefined;
    });
    return opening;
  }

  async #closeWay(): Promise<void> {
    const way = this.#way;
    this.#way = undefined;
    this.#answered = undefined;
    await way?.then(
      (open) => open.close(),
      () => undefined,
    );
  }
}
