/*
 * Scope: one run of `git http-backend` for one request: its environment, both streams, its end. Out of scope: who may ask for what.
 * Fail-safe direction: whenever either side goes away, a cap is reached or time is up, the whole process group is ended.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { messageOf, systemCodeOf, TerokError } from '../../core/errors.ts';
import { hostGitEnvironment } from '../../core/host-git.ts';
import { ownFile } from '../../core/own-file.ts';
import type { GatePlan } from '../gateway/gateway-plan.ts';
import { type CgiHeader, parseCgiHeader } from './cgi-header.ts';
import type { GateRequest } from './gate-request.ts';
import { LIMITS } from './limits.ts';
import type { ScanJob } from './scan/scan-job.ts';

export interface BackendRun {
  readonly repository: string;
  readonly writableRef: string;
  readonly slug: string;
  readonly hooks: string;
  readonly scan: ScanJob;
  /** File that a scanner which fails writes its reason into */
  readonly scanFailure: string;
  readonly afterPush: GatePlan['afterPush'];
  /** Of the request, where it was read before */
  readonly body: Buffer | undefined;
}

export interface BackendOutcome {
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Last bytes that git wrote to stderr; untrusted text */
  readonly stderr: string;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Runs the request and writes the answer; throws where no whole answer could be given. */
export async function runHttpBackend(
  request: IncomingMessage,
  response: ServerResponse,
  wanted: GateRequest,
  run: BackendRun,
): Promise<BackendOutcome> {
  const [program = '', ...args] = jailed(['git', 'http-backend']);
  const child = spawn(program, args, { env: environmentOf(wanted, run), stdio: 'pipe', detached: true });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stderr = keepTail(child.stderr);
  const stop = (): void => endGroup(child);
  const failed = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => failed.reject(new TerokError('TIMEOUT', `A git request took longer than ${LIMITS.requestMs} ms.`)),
    LIMITS.requestMs,
  );
  response.once('close', stop);
  child.once('error', (error) => failed.reject(spawnError(error)));
  try {
    const body = run.body === undefined ? sendBody(request, child, wanted) : Promise.resolve(sendBytes(run.body, child));
    body.catch((error: unknown) => failed.reject(error));
    const answer = await Promise.race([sendAnswer(child, response), failed.promise]);
    return { ...answer, bytesIn: await Promise.race([body, failed.promise]), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    response.off('close', stop);
    failed.promise.catch(() => undefined);
    if (child.pid !== undefined) {
      if (child.exitCode === null && child.signalCode === null) stop();
      await ended;
    }
  }
}

/** What a bottle sends is unpacked under limits of its own: memory, processor time, size of a file, open files, no core dump. */
function jailed(argv: readonly string[]): string[] {
  const { memoryBytes, processorSeconds, fileBytes, openFiles } = LIMITS.process;
  return [
    'prlimit',
    `--data=${memoryBytes}`,
    `--cpu=${processorSeconds}`,
    `--fsize=${fileBytes}`,
    `--nofile=${openFiles}`,
    '--core=0',
    ...argv,
  ];
}

function environmentOf(wanted: GateRequest, run: BackendRun): Record<string, string> {
  return {
    ...hostGitEnvironment({
      'core.hooksPath': run.hooks,
      'http.receivepack': 'true',
      'http.getanyfile': 'false',
      'transfer.fsckObjects': 'true',
      'receive.fsckObjects': 'true',
      'receive.maxInputSize': String(LIMITS.pushBytes),
      'receive.unpackLimit': '1',
      'receive.autogc': 'false',
      'receive.advertisePushOptions': 'false',
      'receive.denyDeleteCurrent': 'ignore',
      'receive.denyCurrentBranch': 'refuse',
      'transfer.hideRefs': 'refs/terok',
      ...FILTERS,
      ...MEMORY,
      'protocol.file.allow': 'never',
    }),
    GIT_PROJECT_ROOT: path.dirname(run.repository),
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: `/${path.basename(run.repository)}${wanted.path}`,
    REQUEST_METHOD: wanted.method,
    QUERY_STRING: wanted.query,
    CONTENT_TYPE: wanted.contentType,
    REMOTE_USER: run.slug,
    REMOTE_ADDR: 'bottle',
    // Of a body that comes meanwhile only its end tells the length: gzip hides it, and git that knows one and loses its gate before that
    // end reads on for ever, with all of a processor
    ...(run.body === undefined ? {} : { CONTENT_LENGTH: String(run.body.length) }),
    ...(wanted.protocol === undefined ? {} : { GIT_PROTOCOL: wanted.protocol }),
    TEROK_WRITABLE_REF: run.writableRef,
    TEROK_NOTES_REF: `refs/notes/terok/${run.slug}`,
    TEROK_SLUG: run.slug,
    TEROK_NODE: process.execPath,
    TEROK_SCAN_MAIN: SCAN_MAIN,
    TEROK_SCAN: JSON.stringify(run.scan),
    TEROK_SCAN_FAILURE: run.scanFailure,
    TEROK_AFTER_PUSH_MAIN: run.afterPush?.main ?? '',
    TEROK_AFTER_PUSH_ARGUMENT: run.afterPush?.argument ?? '',
    ...(process.env.NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }),
  };
}

const SCAN_MAIN = ownFile({ source: 'sidecars/git-gate/scan/main.ts', built: 'scan-push.js' });

/** Partial clones by size, depth and type. A filter that names an object of the repository (`sparse:oid`) is not served. */
const FILTERS = {
  'uploadpack.allowFilter': 'true',
  'uploadpackfilter.allow': 'false',
  'uploadpackfilter.blob:none.allow': 'true',
  'uploadpackfilter.blob:limit.allow': 'true',
  'uploadpackfilter.tree.allow': 'true',
  'uploadpackfilter.tree.maxDepth': '64',
  'uploadpackfilter.object:type.allow': 'true',
} as const;

/** Keeps what git holds of one request below the memory that it is given. */
const MEMORY = {
  'core.bigFileThreshold': '32m',
  'core.deltaBaseCacheLimit': '64m',
  'core.packedGitLimit': '512m',
  'core.packedGitWindowSize': '32m',
  'pack.windowMemory': '128m',
  'pack.deltaCacheSize': '64m',
  'pack.threads': '2',
} as const;

/** The whole body of a request after decompression. Throws REFUSED where it is too long. */
export async function readBody(request: IncomingMessage, wanted: GateRequest): Promise<Buffer> {
  const parts: Buffer[] = [];
  const collect = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  await (wanted.gzip ? pipeline(request, createGunzip(), limited(wanted), collect) : pipeline(request, limited(wanted), collect));
  return Buffer.concat(parts);
}

function limited({ service, maxBodyBytes }: GateRequest, count: (bytes: number) => void = () => undefined): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      count(bytes);
      if (bytes <= maxBodyBytes) done(null, chunk);
      else done(new TerokError('REFUSED', `A request to ${service} has at most ${maxBodyBytes} bytes.`));
    },
  });
}

function sendBytes(body: Buffer, child: Child): number {
  // git may answer and end before it has read everything: its answer counts
  child.stdin.on('error', () => undefined).end(body);
  return body.length;
}

/** Gives the body to git; resolves with its bytes after decompression. */
async function sendBody(request: IncomingMessage, child: Child, wanted: GateRequest): Promise<number> {
  let bytes = 0;
  const counter = limited(wanted, (sum) => (bytes = sum));
  try {
    await (wanted.gzip ? pipeline(request, createGunzip(), counter, child.stdin) : pipeline(request, counter, child.stdin));
  } catch (error) {
    // git may answer and end before it has read everything: its answer counts
    if (systemCodeOf(error) !== 'EPIPE' && systemCodeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    if (request.destroyed && !request.complete) throw error;
    request.resume();
  }
  return bytes;
}

async function sendAnswer(child: Child, response: ServerResponse): Promise<{ status: number; bytesOut: number }> {
  const header = await readHeader(child.stdout);
  let bytesOut = header.rest.length;
  response.writeHead(header.status, { ...header.headers });
  if (header.rest.length > 0) response.write(header.rest);
  child.stdout.on('data', (chunk: Buffer) => {
    bytesOut += chunk.length;
  });
  await pipeline(child.stdout, response);
  return { status: header.status, bytesOut };
}

async function readHeader(stdout: Readable): Promise<CgiHeader> {
  let seen = Buffer.alloc(0);
  for (;;) {
    const chunk = (stdout.read() as Buffer | null) ?? undefined;
    if (chunk !== undefined) {
      seen = Buffer.concat([seen, chunk]);
      const header = parseCgiHeader(seen);
      if (header !== undefined) return header;
    } else if (stdout.readableEnded || stdout.destroyed) {
      throw new TerokError('GIT_FAILED', '`git http-backend` ended without an answer.');
    } else {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          for (const event of WAKING) stdout.off(event, wake);
          resolve();
        };
        for (const event of WAKING) stdout.on(event, wake);
      });
    }
  }
}

const WAKING = ['readable', 'end', 'close', 'error'] as const;

function keepTail(stream: Readable): () => string {
  let tail = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-LIMITS.stderrBytes);
  });
  return () => tail.toString('utf8').trim();
}

/** SIGTERM lets git remove its quarantine; SIGKILL follows. */
function endGroup(child: Child): void {
  signalGroup(child, 'SIGTERM');
  setTimeout(() => signalGroup(child, 'SIGKILL'), LIMITS.terminateMs).unref();
}

function signalGroup(child: Child, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (systemCodeOf(error) !== 'ESRCH') throw error;
  }
}

function spawnError(error: Error): TerokError {
  return new TerokError(
    systemCodeOf(error) === 'ENOENT' ? 'DEPENDENCY_MISSING' : 'GIT_FAILED',
    `git could not be run under limits: ${messageOf(error)}`,
    { cause: error },
  );
}
