/*
 * Scope: the batch API of Git LFS for one task, with the `basic` transfer: objects go through the gate and come from it, and from nowhere
 * else. Out of scope: locks. Fail-safe direction: an object of the user's repository is given only where a file that the task can read
 * names it; a push of a file that names an object which is not here is refused by the scan.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isTerokError, messageOf, TerokError } from '../../../core/errors.ts';
import { git } from '../../../core/run-git.ts';
import { SEALED } from '../../gateway/gateway-plan.ts';
import { LIMITS } from '../limits.ts';
import type { GateAudit, ServedGate } from '../served-gate.ts';
import { hiddenObjects } from '../visible-objects.ts';
import { lfsPointer } from './lfs-pointer.ts';
import { hasLfsObject, isLfsObject, type LfsObject, measureLfs, openLfsObject, storeLfsObject } from './lfs-store.ts';

const PREFIX = `${SEALED.gatePath}/info/lfs/`;
const JSON_TYPE = 'application/vnd.git-lfs+json';

export function isLfsRequest({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return url.startsWith(PREFIX);
}

export async function handleLfsRequest(
  request: IncomingMessage,
  response: ServerResponse,
  gate: ServedGate,
  audit: GateAudit | undefined,
): Promise<void> {
  try {
    const { status, fields } = await answer(request, response, gate);
    audit?.record({ kind: 'git', decision: 'allow', slug: gate.slug, service: 'lfs', status, ...fields });
  } catch (error) {
    const status = isTerokError(error) && error.code === 'REFUSED' ? Number(error.context['status'] ?? 422) : 500;
    audit?.record({ kind: 'git', decision: 'deny', slug: gate.slug, service: 'lfs', status, reason: messageOf(error) });
    if (response.headersSent) response.destroy();
    else sendJson(response, status, { message: status === 500 ? 'the gate could not serve this request' : `terok: ${messageOf(error)}` });
  }
}

interface Served {
  readonly status: number;
  readonly fields: Readonly<Record<string, string | number>>;
}

async function answer(request: IncomingMessage, response: ServerResponse, gate: ServedGate): Promise<Served> {
  const target = (request.url ?? '').slice(PREFIX.length);
  if (gate.lfs === undefined) throw refused(404, 'this gate keeps no LFS objects');
  if (target === 'objects/batch' && request.method === 'POST') return await answerBatch(request, response, gate);
  const [, oid] = /^objects\/([0-9a-f]{64})$/.exec(target) ?? [];
  if (oid !== undefined && request.method === 'GET') return await sendObject(response, gate, oid);
  if (oid !== undefined && request.method === 'PUT') return await takeObject(request, response, gate, oid);
  throw refused(404, 'the gate serves objects of LFS alone; there are no locks');
}

async function answerBatch(request: IncomingMessage, response: ServerResponse, gate: ServedGate): Promise<Served> {
  const { operation, objects, hash = 'sha256' } = await readJson(request);
  if ((operation !== 'upload' && operation !== 'download') || !Array.isArray(objects) || hash !== 'sha256')
    throw refused(422, 'a batch names an operation and objects by SHA-256');
  if (objects.length > LIMITS.lfsBatch) throw refused(413, `a batch has at most ${LIMITS.lfsBatch} objects`);
  // Whatever else an object of the request says, the answer must not repeat as the gate's own word
  const wanted = objects.filter(isLfsObject).map(({ oid, size }) => ({ oid, size }));
  const host = /^[\w.:-]{1,200}$/.exec(request.headers.host ?? '')?.[0] ?? SEALED.gateName;
  const hrefOf = (oid: string): string => `http://${host}${PREFIX}objects/${oid}`;
  const answers =
    operation === 'upload'
      ? await Promise.all(wanted.map(async (object) => await offerUpload(gate, object, hrefOf)))
      : await offerDownloads(gate, wanted, hrefOf);
  sendJson(response, 200, { transfer: 'basic', hash_algo: 'sha256', objects: answers });
  return { status: 200, fields: { phase: operation, objects: wanted.length } };
}

async function offerUpload(gate: ServedGate, object: LfsObject, hrefOf: (oid: string) => string): Promise<object> {
  if (object.size > LIMITS.lfsObjectBytes) return problem(object, 422, `an LFS object has at most ${LIMITS.lfsObjectBytes} bytes`);
  if (await hasLfsObject(gate.lfs?.directory, object)) return { ...object };
  return { ...object, authenticated: true, actions: { upload: { href: hrefOf(object.oid) } } };
}

async function offerDownloads(gate: ServedGate, objects: readonly LfsObject[], hrefOf: (oid: string) => string): Promise<object[]> {
  const named = await namedByFiles(gate.repository, objects);
  return await Promise.all(
    objects.map(async (object) => {
      const here =
        (await hasLfsObject(gate.lfs?.directory, object)) || (named.has(object.oid) && (await hasLfsObject(gate.lfs?.offered, object)));
      if (here) return { ...object, authenticated: true, actions: { download: { href: hrefOf(object.oid) } } };
      return problem(object, 404, 'the gate does not have this object: it was not in the repository of the host, and nothing is fetched');
    }),
  );
}

function problem({ oid, size }: LfsObject, code: number, message: string): object {
  return { oid, size, error: { code, message: `terok: ${message}` } };
}

/** Objects for which the repository holds the pointer that git-lfs writes. */
async function namedByFiles(repository: string, objects: readonly LfsObject[]): Promise<ReadonlySet<string>> {
  if (objects.length === 0) return new Set();
  const { createHash } = await import('node:crypto');
  const { stdout: format } = await git(repository, ['rev-parse', '--show-object-format']);
  const ids = objects.map((object) => {
    const pointer = lfsPointer(object);
    return createHash(format.toString('latin1').trim()).update(`blob ${pointer.length}\0${pointer}`).digest('hex');
  });
  const { stdout } = await git(repository, ['cat-file', '--batch-check=%(objecttype)'], { input: `${ids.join('\n')}\n` });
  const lines = stdout.toString('latin1').split('\n');
  const hidden = await hiddenObjects(repository, ids);
  return new Set(objects.filter((_object, index) => lines[index] === 'blob' && !hidden.has(ids[index] ?? '')).map(({ oid }) => oid));
}

async function sendObject(response: ServerResponse, gate: ServedGate, oid: string): Promise<Served> {
  const own = await openLfsObject(gate.lfs?.directory, oid);
  const found = own ?? (await openOffered(gate, oid));
  if (found === undefined) throw refused(404, 'the gate does not have this object');
  try {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': found.size });
    await pipeline(found.handle.createReadStream({ autoClose: false }), response);
    return { status: 200, fields: { phase: 'object', bytesOut: found.size } };
  } finally {
    await found.handle.close();
  }
}

async function openOffered(gate: ServedGate, oid: string): ReturnType<typeof openLfsObject> {
  const found = await openLfsObject(gate.lfs?.offered, oid);
  if (found === undefined) return undefined;
  if ((await namedByFiles(gate.repository, [{ oid, size: found.size }])).has(oid)) return found;
  await found.handle.close();
  return undefined;
}

async function takeObject(request: IncomingMessage, response: ServerResponse, { lfs }: ServedGate, oid: string): Promise<Served> {
  if (lfs === undefined) throw refused(404, 'this gate keeps no LFS objects');
  const room = LIMITS.lfsBytes - (await measureLfs(lfs.directory));
  if (room <= 0) throw refused(507, `the LFS objects of this task have reached ${LIMITS.lfsBytes} bytes`);
  const bytes = await storeLfsObject(lfs, oid, request, Math.min(room, LIMITS.lfsObjectBytes));
  response.writeHead(200).end();
  return { status: 200, fields: { phase: 'stored', bytesIn: bytes } };
}

async function readJson(request: IncomingMessage): Promise<{ operation?: unknown; objects?: unknown; hash?: unknown }> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > LIMITS.lfsBatchBytes) throw refused(413, `a batch has at most ${LIMITS.lfsBatchBytes} bytes`);
    parts.push(part);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    if (typeof value === 'object' && value !== null) return { ...value, hash: 'hash_algo' in value ? value.hash_algo : undefined };
  } catch (error) {
    throw new TerokError('REFUSED', 'a batch is a JSON object', { context: { status: 400 }, cause: error });
  }
  throw refused(400, 'a batch is a JSON object');
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': JSON_TYPE, ...(status >= 400 ? { 'x-terok-denied': 'git', connection: 'close' } : {}) });
  response.end(JSON.stringify(body));
}

function refused(status: number, reason: string): TerokError {
  return new TerokError('REFUSED', reason, { context: { status } });
}
