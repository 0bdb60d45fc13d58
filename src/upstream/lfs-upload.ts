/*
 * Scope: brings objects of Git LFS to an HTTPS upstream, by its batch API. Out of scope: which objects; SSH upstreams.
 * Fail-safe direction: bytes go when they were seen to have the hash of their name; the credential of the upstream goes to its own origin
 * alone, never along a redirect; an answer that is not understood is an error.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { askServer, type HostRoad, messageOf, type ServerRequest, TerokError } from '../core/index.ts';

export interface LfsUpload {
  readonly oid: string;
  readonly size: number;
}

/** An object for reading; undefined where it is not on this machine. The caller of it closes it. */
export type OpenObject = (oid: string) => Promise<{ readonly handle: FileHandle; readonly size: number } | undefined>;

export interface LfsServer {
  /** Address of the repository */
  readonly url: string;
  /** Value of the `authorization` header */
  readonly authorization: string | undefined;
  readonly road: HostRoad;
}

const TYPE = 'application/vnd.git-lfs+json';
/** As git-lfs itself */
const BATCH = 100;
const REQUEST_MS = 30 * 60_000;
const CONNECT_MS = 30_000;
const MAX_ANSWER_BYTES = 4 * 1024 ** 2;

const action = z.object({ href: z.url({ protocol: /^https?$/ }), header: z.record(z.string(), z.string()).optional() });
const batchAnswer = z.object({
  transfer: z.literal('basic').optional(),
  objects: z.array(
    z.object({
      oid: z.string(),
      error: z.object({ code: z.number(), message: z.string().optional() }).optional(),
      actions: z.object({ upload: action.optional(), verify: action.optional() }).optional(),
    }),
  ),
});
type Action = z.infer<typeof action>;

/** Brings what the upstream lacks; throws GIT_FAILED, or REFUSED where an object is missing or is not what its name says. */
export async function uploadLfsObjects(server: LfsServer, objects: readonly LfsUpload[], openObject: OpenObject): Promise<void> {
  for (let at = 0; at < objects.length; at += BATCH) {
    const wanted = new Map(objects.slice(at, at + BATCH).map((object) => [object.oid, object]));
    for (const { oid, error, actions } of await askBatch(server, [...wanted.values()])) {
      const object = wanted.get(oid);
      if (error !== undefined) throw failed(server, `does not take the LFS object ${oid.slice(0, 12)}: status ${error.code}`);
      if (object === undefined || actions?.upload === undefined) continue;
      await uploadObject(server, { object, upload: actions.upload, openObject });
      if (actions.verify !== undefined) await post(server, actions.verify, object);
    }
  }
}

async function askBatch(server: LfsServer, objects: readonly LfsUpload[]): Promise<z.infer<typeof batchAnswer>['objects']> {
  const href = `${server.url.replace(/\/+$/, '').replace(/\.git$/, '')}.git/info/lfs/objects/batch`;
  const text = await post(server, { href }, { operation: 'upload', transfers: ['basic'], hash_algo: 'sha256', objects });
  try {
    return batchAnswer.parse(JSON.parse(text)).objects;
  } catch (cause) {
    throw failed(server, `answered a batch of LFS objects in a way that is not understood: ${messageOf(cause).slice(0, 200)}`);
  }
}

async function post(server: LfsServer, to: Action, body: object): Promise<string> {
  return await send(server, to, { method: 'POST', type: TYPE, body: JSON.stringify(body) });
}

async function uploadObject(
  server: LfsServer,
  { object, upload, openObject }: { readonly object: LfsUpload; readonly upload: Action; readonly openObject: OpenObject },
): Promise<void> {
  const found = await openObject(object.oid);
  if (found === undefined) throw refused(object, 'is neither at the upstream nor on this machine');
  try {
    const hash = createHash('sha256');
    await pipeline(found.handle.createReadStream({ autoClose: false, start: 0 }), hash);
    if (found.size !== object.size || hash.digest('hex') !== object.oid) throw refused(object, 'has other bytes than its SHA-256 names');
    await send(server, upload, {
      method: 'PUT',
      type: 'application/octet-stream',
      length: object.size,
      body: async (request) => await pipeline(found.handle.createReadStream({ autoClose: false, start: 0 }), request),
    });
  } finally {
    await found.handle.close();
  }
}

interface Sending extends Pick<ServerRequest, 'method' | 'body'> {
  readonly type: string;
  /** Of a body that is no text */
  readonly length?: number;
}

/** Gives the answer's text. */
async function send(server: LfsServer, { href, header = {} }: Action, { type, length, ...sending }: Sending): Promise<string> {
  const [to, home] = [new URL(href), new URL(server.url)];
  if (to.protocol !== home.protocol) throw failed(server, `names an address for LFS objects that does not begin with \`${home.protocol}\``);
  const given = Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]));
  for (const name of ['host', 'content-length', 'transfer-encoding', 'connection']) delete given[name];
  const own = to.origin === home.origin && server.authorization !== undefined ? { authorization: server.authorization } : {};
  const headers = { accept: TYPE, 'content-type': type, ...own, ...given, ...(length === undefined ? {} : { 'content-length': length }) };
  const limits = { timeoutMs: REQUEST_MS, connectMs: CONNECT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
  try {
    const { status, text } = await askServer(to, server.road, { ...sending, headers, ...limits });
    if (status < 200 || status >= 300) throw new Error(`status ${status}`);
    return text;
  } catch (cause) {
    throw failed(server, `did not take LFS objects at \`${to.host}\`: ${messageOf(cause)}`);
  }
}

function failed({ url }: LfsServer, what: string): TerokError {
  return new TerokError('GIT_FAILED', `The upstream \`${new URL(url).host}\` ${what}.`, {
    hint: 'Nothing was pushed. Look whether Git LFS is turned on there and the credential may write.',
  });
}

function refused({ oid }: LfsUpload, why: string): TerokError {
  return new TerokError('REFUSED', `The LFS object ${oid} ${why}.`, {
    hint: 'Nothing was pushed. Bring the object into `.git/lfs/objects` of your repository with `git lfs fetch`, and push again.',
  });
}
