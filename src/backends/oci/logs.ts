import { PassThrough, type Readable } from 'node:stream';
import type { PodmanHost } from './podman-host.ts';

/** Twice what the container's log may hold: Podman turns each line into a little more. */
const MAX_LOG_BYTES = 4 * 1024 * 1024;

/** What the first process printed, stdout and stderr in one; ends with the log, or follows it until the container ends or the signal aborts. */
export async function readLogs(
  host: PodmanHost,
  id: string,
  options: { readonly follow?: boolean; readonly signal?: AbortSignal },
): Promise<Readable> {
  const follow = options.follow === true;
  const child = host.stream(['logs', ...(follow ? ['--follow'] : []), id], options.signal === undefined ? {} : { signal: options.signal });
  const out = new PassThrough();
  let open = 2;
  let bytes = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (!follow && bytes > MAX_LOG_BYTES) child.kill();
      else if (!out.write(chunk)) {
        stream.pause();
        out.once('drain', () => stream.resume());
      }
    });
    stream.once('close', () => {
      open -= 1;
      if (open === 0) out.end();
    });
  }
  out.once('close', () => child.kill());
  return out;
}
