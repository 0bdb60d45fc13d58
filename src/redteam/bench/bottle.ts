import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import {
  type BottleUser,
  type ExitStatus,
  ignoreCodes,
  isTerokError,
  makePrivateDir,
  patient,
  type Route,
  TerokError,
} from '../../core/index.ts';
import type { RunRequest } from '../../tasks/index.ts';
import type { RedBench } from './bench.ts';

/** What a row may ask of a bottle; everything else is as `terok run` makes it. */
export interface BottleWish extends Partial<Pick<RunRequest, 'agent' | 'env' | 'image' | 'source' | 'sudo'>> {
  readonly routes?: readonly Route[];
}

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  readonly user?: BottleUser;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export interface CommandResult {
  /** As a shell would report it; 124 for the time limit */
  readonly code: number;
  /** Untrusted */
  readonly stdout: string;
  readonly stderr: string;
}

const COMMAND_TIMEOUT_MS = 30_000;
/** The output of an attack is read whole; more than this is an attack on the reader */
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

/** A bottle under attack, reached by the facade alone. */
export class RedBottle {
  readonly slug: string;
  readonly #bench: RedBench;

  constructor(bench: RedBench, slug: string) {
    this.#bench = bench;
    this.slug = slug;
  }

  /** Runs a program as the agent to its end. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const { input, timeoutMs = patient(COMMAND_TIMEOUT_MS), ...rest } = options;
    const child = await this.#bench.terok.exec(this.slug, argv, { cwd: '/tmp', ...rest, timeoutMs, signal: this.#bench.signal });
    // a program that ends without reading its input is judged by how it ended
    child.stdin.on('error', () => undefined).end(input ?? '');
    const [stdout, stderr, status] = await Promise.all([readAll(child.stdout), readAll(child.stderr), child.exited]);
    return { code: codeOf(status), stdout, stderr };
  }

  /** Copies a file or directory of the host to a path that does not exist yet. */
  async copyIn(hostPath: string, bottlePath: string): Promise<void> {
    await this.#bench.terok.copy({ slug: this.slug, direction: 'in', hostPath, bottlePath, signal: this.#bench.signal });
  }

  /** Directory of the bottle's records on the host */
  get stateDirectory(): string {
    return path.join(this.#bench.paths.state, 'bottles', this.slug);
  }

  async remove(): Promise<void> {
    try {
      await this.#bench.terok.remove(this.slug, { force: true });
    } catch (error) {
      if (!isTerokError(error) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}

/** `terok run --keep` with a command that does nothing; the bottle then waits for attacks. */
export async function launchRedBottle(bench: RedBench, wish: BottleWish, onProgress?: (message: string) => void): Promise<RedBottle> {
  const name = `rt-${randomBytes(4).toString('hex')}`;
  const { source = await emptySource(bench, name), agent, ...rest } = wish;
  const outcome = await bench.terok.run(
    {
      ...rest,
      source,
      name,
      backend: bench.backend,
      keep: true,
      ...(agent === undefined ? { command: ['true'] } : { agent, prompt: 'Say nothing.' }),
      // no row is about these limits, and a machine that lacks one is worth attacking all the same
      allowUnenforced: ['memory', 'cpus', 'pids'],
      signal: bench.signal,
    },
    { onProgress: ({ stage, message }) => stage === 'image' && onProgress?.(message), onOutput: () => undefined },
  );
  return new RedBottle(bench, outcome.slug);
}

async function emptySource(bench: RedBench, name: string): Promise<string> {
  const directory = await makePrivateDir(path.join(bench.directory, 'sources', name));
  await ignoreCodes(['EEXIST'], () => writeFile(path.join(directory, 'README'), 'Nothing to work on.\n', { flag: 'wx' }));
  return directory;
}

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) throw new TerokError('REFUSED', `A program in the bottle printed more than ${MAX_OUTPUT_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function codeOf(status: ExitStatus): number {
  if (status.kind === 'exited') return status.code;
  if (status.kind === 'timedOut') return 124;
  return status.kind === 'signalled' ? 137 : 125;
}
