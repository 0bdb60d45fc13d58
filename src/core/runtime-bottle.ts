import type { Duplex, Readable } from 'node:stream';
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
} from './bottle.ts';
import { TerokError } from './errors.ts';
import { assertPort } from './published-port.ts';
import type { BottlePhase } from './resolve/index.ts';

/** A bottle whose starts and stops happen one after the other and are written to its record. */
export class RuntimeBottle implements Bottle {
  readonly #inner: Bottle;
  readonly #record: (phase: BottlePhase) => Promise<void>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(inner: Bottle, record: (phase: BottlePhase) => Promise<void>) {
    this.#inner = inner;
    this.#record = record;
  }

  get id(): string {
    return this.#inner.id;
  }

  get plan(): BottlePlan {
    return this.#inner.plan;
  }

  status(): Promise<BottleStatus> {
    return this.#inner.status();
  }

  start(options?: { readonly signal?: AbortSignal }): Promise<void> {
    return this.#inTurn(async () => {
      await this.#inner.start(options);
      await this.#record('running');
    });
  }

  stop(options?: { readonly graceMs?: number; readonly signal?: AbortSignal }): Promise<void> {
    return this.#inTurn(async () => {
      await this.#inner.stop(options);
      await this.#record('stopped');
    });
  }

  pause(): Promise<void> {
    return this.#inTurn(() => this.#inner.pause());
  }

  resume(): Promise<void> {
    return this.#inTurn(() => this.#inner.resume());
  }

  exec(argv: readonly string[], options?: BufferedExecOptions): Promise<ExecResult> {
    assertArgv(argv);
    return this.#inner.exec(argv, options);
  }

  spawn(argv: readonly string[], options?: ExecOptions): Promise<BottleProcess> {
    assertArgv(argv);
    return this.#inner.spawn(argv, options);
  }

  copyIn(source: string, target: string, options?: CopyInOptions): Promise<CopyReport> {
    return this.#inner.copyIn(source, target, options);
  }

  copyOut(source: string, target: string, options?: CopyOutOptions): Promise<CopyReport> {
    return this.#inner.copyOut(source, target, options);
  }

  connect(port: number): Promise<Duplex> {
    assertPort(port);
    return this.#inner.connect(port);
  }

  logs(options?: { readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<Readable> {
    return this.#inner.logs(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#inner[Symbol.asyncDispose]();
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    await turn;
  }
}

function assertArgv(argv: readonly string[]): void {
  if (argv.length === 0 || argv[0] === '') throw new TerokError('USAGE', 'A command needs at least the name of a program.');
  const bad = argv.findIndex((argument) => argument.includes('\0'));
  if (bad !== -1) throw new TerokError('USAGE', `Argument ${bad} of the command holds a NUL byte, which no program can be given.`);
}
