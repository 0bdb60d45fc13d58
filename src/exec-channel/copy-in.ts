// Scope: puts files of the host into a bottle. The archive is unpacked by the owner of the copies, so that a link which the agent
// planted can lead nowhere that the agent could not write himself.
// Out of scope: what the bottle does with the copies. Fail-safe direction: an existing target is refused; a failed copy removes itself.
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { type BottleProcess, type BottleUser, type CopyInOptions, type CopyReport, TerokError } from '../core/index.ts';
import { assertBottlePath, type CommandRunner, copyFailure, MAX_REFUSED, readTail } from './copy-common.ts';
import { type HostEntry, walkHost } from './host-walk.ts';

export interface CopyInRequest {
  readonly source: string;
  readonly target: string;
  readonly options: CopyInOptions;
}

/** Name of the copy inside its staging directory, and in the archive */
const STAGED = 'copy';
const EXISTS = 73;
/** Bits that make a mode of 0 differ from no mode at all for the archive's writer; they are not written */
const FILE_TYPE = 0o100000;

/** Arguments: parent directory, target. Unpacks beside the target and moves the result there in one step. */
const UNPACK = `umask 022
[ -e "$2" ]||[ -L "$2" ]&&exit ${EXISTS}
mkdir -p -- "$1"||exit 1
stage=$(mktemp -d -- "$1/.terok-copy.XXXXXX")||exit 1
trap 'chmod -R u+rwX -- "$stage" 2>/dev/null;rm -rf -- "$stage"' 0
trap 'exit 1' HUP INT TERM
tar -x -p -f - -C "$stage" --no-same-owner||exit 1
[ -e "$2" ]||[ -L "$2" ]&&exit ${EXISTS}
mv -T -n -- "$stage/${STAGED}" "$2"||exit 1
[ ! -e "$stage/${STAGED}" ]||exit ${EXISTS}`;

export async function copyIn(channel: CommandRunner, { source, target, options }: CopyInRequest): Promise<CopyReport> {
  assertBottlePath(target);
  const entries = walkHost(path.resolve(source), STAGED);
  const first = await entries.next();
  if (first.done === true || first.value.kind === 'refused') {
    const reason = first.value?.kind === 'refused' ? first.value.reason : 'nothing is there';
    throw new TerokError('COPY_REFUSED', `\`${source}\` cannot be copied into a bottle: ${reason}.`, { context: { source } });
  }
  const { owner = 'agent', signal } = options;
  signal?.throwIfAborted();
  const process = await startUnpacking(channel, target, owner).catch(async (error: unknown) => {
    if (first.value.kind === 'file') await first.value.handle.close();
    throw error;
  });
  const stop = (): void => void process.kill('TERM');
  signal?.addEventListener('abort', stop, { once: true });
  void process.exited.then(() => signal?.removeEventListener('abort', stop));
  const tail = readTail(process);
  process.stdout.resume();
  const report = await send(process, first.value, entries);
  const status = await process.exited;
  if (status.kind === 'exited' && status.code === EXISTS)
    throw new TerokError('ALREADY_EXISTS', `\`${target}\` exists in the bottle.`, { context: { target } });
  if (signal?.aborted === true) throw copyFailure({ verb: 'into', path: target, status: { kind: 'cancelled' }, stderr: '' });
  if (status.kind !== 'exited' || status.code !== 0) throw copyFailure({ verb: 'into', path: target, status, stderr: await tail });
  if ('error' in report) throw report.error;
  return report;
}

function startUnpacking(channel: CommandRunner, target: string, user: BottleUser): Promise<BottleProcess> {
  return channel.spawn(['/bin/sh', '-c', UNPACK, 'copy-in', path.posix.dirname(target), target], { user, cwd: '/' });
}

/** Sends the archive. Where the bottle stops reading, its own words say why; an error of the host is handed back. */
async function send(
  process: BottleProcess,
  first: HostEntry,
  rest: AsyncGenerator<HostEntry>,
): Promise<CopyReport | { readonly error: unknown }> {
  const archive = pack();
  const over = new AbortController();
  void process.exited.then(() => over.abort());
  const sent = pipeline(Readable.from(archive), process.stdin, { signal: over.signal }).catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  try {
    const report = await fill(archive, first, rest);
    archive.finalize();
    await sent;
    return report;
  } catch (error) {
    archive.destroy();
    await process.kill('TERM');
    await Promise.allSettled([sent, rest.return(undefined)]);
    return { error };
  }
}

async function fill(archive: Pack, first: HostEntry, rest: AsyncGenerator<HostEntry>): Promise<CopyReport> {
  const refused: { path: string; reason: string }[] = [];
  let [files, bytes] = [0, 0];
  for (let entry: HostEntry | undefined = first; entry !== undefined; entry = await following(rest)) {
    if (entry.kind === 'refused') {
      if (refused.length < MAX_REFUSED) refused.push({ path: entry.name.slice(STAGED.length + 1), reason: entry.reason });
      continue;
    }
    await addEntry(archive, entry);
    if (entry.kind === 'file') {
      files++;
      bytes += entry.size;
    }
  }
  return { files, bytes, refused };
}

async function following(rest: AsyncGenerator<HostEntry>): Promise<HostEntry | undefined> {
  const next = await rest.next();
  return next.done === true ? undefined : next.value;
}

async function addEntry(archive: Pack, entry: Exclude<HostEntry, { readonly kind: 'refused' }>): Promise<void> {
  const header = { name: entry.name, mtime: entry.mtime, uid: 0, gid: 0 };
  if (entry.kind === 'file') return await addFile(archive, entry);
  const whole =
    entry.kind === 'directory'
      ? { ...header, type: 'directory' as const, mode: FILE_TYPE | entry.mode }
      : { ...header, type: 'symlink' as const, linkname: entry.target };
  await new Promise<void>((resolve, reject) => {
    archive.entry(whole, (error) => (error ? reject(error) : resolve()));
  });
}

async function addFile(archive: Pack, file: Extract<HostEntry, { readonly kind: 'file' }>): Promise<void> {
  const { name, mode, mtime, size, handle } = file;
  const reader = size === 0 ? undefined : handle.createReadStream({ start: 0, end: size - 1, autoClose: false });
  try {
    await new Promise<void>((resolve, reject) => {
      const entry = archive.entry({ name, mode: FILE_TYPE | mode, mtime, size, uid: 0, gid: 0 }, (error) =>
        error ? reject(error) : resolve(),
      );
      entry.on('error', reject);
      reader?.once('error', (error) => archive.destroy(error));
      if (reader === undefined) entry.end(Buffer.alloc(0));
      else reader.pipe(entry);
    });
  } catch (error) {
    throw new TerokError('RUNTIME_FAILED', `\`${name}\` changed while it was copied into the bottle, or the copy was cut short.`, {
      cause: error,
    });
  } finally {
    reader?.destroy();
    await handle.close();
  }
}
