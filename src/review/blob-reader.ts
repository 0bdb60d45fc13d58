/*
 * Scope: contents of blobs from one long-lived `git cat-file`. Out of scope: what they mean.
 * Fail-safe direction: a blob that is larger than the cap, missing or no blob is undefined, which a caller must say.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { hostGitEnvironment, TerokError } from '../core/index.ts';

/** A lock file of a large project has about 2 MiB */
const MAX_BLOB_BYTES = 4 * 1024 ** 2;

export class BlobReader implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #queue: Promise<unknown> = Promise.resolve();

  /** @param env Added to the environment of git */
  constructor(repository: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn('git', ['-C', repository, 'cat-file', '--batch-command'], {
      env: { ...hostGitEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.on('error', () => this.#child.stdout.destroy());
    this.#child.stdin.on('error', () => this.#child.stdout.destroy());
    this.#chunks = this.#child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** One at a time, in the order of the calls. */
  readonly read = async (id: string): Promise<Buffer | undefined> => {
    const reading = this.#queue.then(() => this.#readBlob(id));
    this.#queue = reading.catch(() => undefined);
    return await reading;
  };

  async #readBlob(id: string): Promise<Buffer | undefined> {
    if (!/^[0-9a-f]{40,64}$/.test(id)) return undefined;
    this.#child.stdin.write(`info ${id}\n`);
    const size = Number(/^[0-9a-f]+ blob (\d+)$/.exec(await this.#line())?.[1] ?? Number.NaN);
    if (!(size <= MAX_BLOB_BYTES)) return undefined;
    this.#child.stdin.write(`contents ${id}\n`);
    await this.#line();
    return (await this.#take(size + 1)).subarray(0, size);
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end !== -1) return (await this.#take(end + 1)).subarray(0, end).toString('latin1');
      await this.#more();
    }
  }

  async #take(bytes: number): Promise<Buffer> {
    while (this.#rest.length < bytes) await this.#more();
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) throw new TerokError('GIT_FAILED', '`git cat-file` ended before it gave what was asked for.');
    this.#rest = Buffer.concat([this.#rest, next.value]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'close') : undefined;
    this.#child.stdin.end();
    this.#child.stdout.destroy();
    this.#child.kill('SIGKILL');
    await ended?.catch(() => undefined);
  }
}
