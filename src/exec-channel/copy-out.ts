// Scope: brings files out of a bottle. The archive is hostile; what may come out is decided in `extract.ts`.
// Out of scope: what the caller does with the copies. Fail-safe direction: everything is written to a private directory beside the
// target and appears under its name in one step, or not at all.
import { link, lstat, mkdir, mkdtemp, rename, rm, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { type CopyOutOptions, type CopyReport, ignoreCodes, systemCodeOf, TerokError } from '../core/index.ts';
import { assertBottlePath, type CommandRunner, copyFailure, readTail } from './copy-common.ts';
import { type Extracted, explainWriteError, extract } from './extract.ts';

export interface CopyOutRequest {
  readonly source: string;
  readonly target: string;
  readonly options: CopyOutOptions;
}

const DEFAULT_MAX_BYTES = 2 * 1024 ** 3;
const DEFAULT_MAX_ENTRIES = 200_000;
const MISSING = 66;
/** GNU tar: some files changed while they were read */
const CHANGED = 1;

/** Arguments: parent directory, name. Hard links come out as files; tar follows no link. */
const PACK = `[ -e "$1/$2" ]||[ -L "$1/$2" ]||exit ${MISSING}
exec tar -c -f - --format=pax --hard-dereference --numeric-owner -C "$1" -- "./$2"`;

export async function copyOut(channel: CommandRunner, { source, target, options }: CopyOutRequest): Promise<CopyReport> {
  assertBottlePath(path.posix.resolve(source));
  const destination = path.resolve(target);
  await assertAbsent(destination);
  const staging = await makeStaging(destination);
  try {
    const { list, ...report } = await receive(channel, { source, staging, options });
    await options.beforePublish?.(list);
    await publish(path.join(staging, 'copy'), destination, report);
    return report;
  } catch (error) {
    throw explainWriteError(error, destination);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function assertAbsent(target: string): Promise<void> {
  if ((await ignoreCodes(['ENOENT'], () => lstat(target))) !== undefined) throw alreadyExists(target);
}

async function makeStaging(destination: string): Promise<string> {
  try {
    return await mkdtemp(path.join(path.dirname(destination), '.terok-copy-'));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw explainWriteError(error, destination);
    throw new TerokError('NOT_FOUND', `The directory \`${path.dirname(destination)}\` does not exist.`, {
      context: { kind: 'target', target: destination },
      cause: error,
    });
  }
}

interface Receipt {
  readonly source: string;
  readonly staging: string;
  readonly options: CopyOutOptions;
}

async function receive(channel: CommandRunner, { source, staging, options }: Receipt): Promise<Extracted> {
  const { signal, maxBytes = DEFAULT_MAX_BYTES, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  const place = path.posix.resolve(source);
  const base = path.posix.basename(place);
  const process = await channel.spawn(['/bin/sh', '-c', PACK, 'copy-out', path.posix.dirname(place), base], {
    user: 'root',
    cwd: '/',
    ...(signal === undefined ? {} : { signal }),
  });
  process.stdin.end();
  const tail = readTail(process);
  const extracted = await extract(process.stdout as AsyncIterable<Buffer>, {
    base,
    target: path.join(staging, 'copy'),
    maxBytes,
    maxEntries,
  }).catch((error: unknown) => ({ error }));
  if ('error' in extracted) {
    process.stdout.destroy();
    await Promise.race([process.exited, process.kill('KILL')]);
  } else {
    process.stdout.resume();
  }
  const status = await process.exited;
  if (status.kind === 'exited' && status.code === MISSING)
    throw new TerokError('NOT_FOUND', `\`${source}\` does not exist in the bottle.`, { context: { kind: 'source', source } });
  if (status.kind === 'cancelled' || status.kind === 'lost') throw copyFailure({ verb: 'out of', path: source, status, stderr: '' });
  if ('error' in extracted) throw extracted.error;
  if (status.kind !== 'exited' || status.code > CHANGED) throw copyFailure({ verb: 'out of', path: source, status, stderr: await tail });
  return extracted;
}

/** Gives the copy its name without ever replacing something: a file by a second link, a directory by way of an empty one of that name. */
async function publish(staged: string, target: string, report: CopyReport): Promise<void> {
  const stats = await ignoreCodes(['ENOENT'], () => lstat(staged));
  if (stats === undefined) {
    throw new TerokError('COPY_REFUSED', `Nothing may be copied out: ${report.refused[0]?.reason ?? 'the archive is empty'}.`, {
      context: { target },
    });
  }
  try {
    if (stats.isFile()) {
      await link(staged, target);
      await unlink(staged);
    } else {
      await mkdir(target, { mode: 0o700 });
      await rename(staged, target).catch(async (error: unknown) => {
        await rmdir(target);
        throw error;
      });
    }
  } catch (error) {
    throw systemCodeOf(error) === 'EEXIST' ? alreadyExists(target, error) : error;
  }
}

function alreadyExists(target: string, cause?: unknown): TerokError {
  return new TerokError('ALREADY_EXISTS', `\`${target}\` exists already; copying out replaces nothing.`, {
    context: { target },
    hint: 'Name a path that does not exist yet.',
    ...(cause === undefined ? {} : { cause }),
  });
}
