/*
 * Scope: one request of the host itself to a server, over the host's own way. Out of scope: what it asks, and what an answer means.
 * Fail-safe direction: no redirect is followed; an answer that is late, long or cut off is an error.
 */
import type nodeHttp from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { type HostRoad, openTunnel, roadOptions } from './host-road.ts';
import { http } from './node-http.ts';

export interface ServerRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Text of the body, or what writes and ends it */
  readonly body?: string | ((request: nodeHttp.ClientRequest) => Promise<void>);
  /** Of all, from the first byte to the last */
  readonly timeoutMs: number;
  /** Of reaching the server through a proxy; that of all by default */
  readonly connectMs?: number;
  readonly maxAnswerBytes: number;
}

export interface ServerAnswer {
  readonly status: number;
  readonly text: string;
}

export async function askServer(url: URL, road: HostRoad, request: ServerRequest): Promise<ServerAnswer> {
  const { timeoutMs, connectMs = timeoutMs } = request;
  const deadline = AbortSignal.timeout(timeoutMs);
  const late = new Error(`nothing within ${timeoutMs} ms`);
  const ended = new Promise<never>((_, reject) => deadline.addEventListener('abort', () => reject(late), { once: true }));
  ended.catch(() => undefined);
  const tunnel = openTunnel(url, road, connectMs);
  tunnel.then((socket) => deadline.addEventListener('abort', () => socket?.destroy(late), { once: true })).catch(() => undefined);
  return await send({ url, road, tunnel: await Promise.race([tunnel, ended]), deadline }, request);
}

interface Way {
  readonly url: URL;
  readonly road: HostRoad;
  readonly tunnel: Socket | undefined;
  readonly deadline: AbortSignal;
}

async function send({ url, road, tunnel, deadline }: Way, { method, headers, body, maxAnswerBytes }: ServerRequest): Promise<ServerAnswer> {
  const client = url.protocol === 'https:' ? https : http;
  const length = typeof body === 'string' ? { 'content-length': Buffer.byteLength(body) } : {};
  const all = { 'user-agent': 'terok', ...headers, ...length };
  const request = client.request(url, { ...roadOptions(url, road, tunnel), method, headers: all, signal: deadline });
  const answered = new Promise<nodeHttp.IncomingMessage>((resolve, reject) => request.once('response', resolve).on('error', reject));
  answered.catch(() => undefined);
  // An answer may come before all was read; it says more than the broken pipe
  const written = typeof body === 'function' ? body(request).catch(() => undefined) : request.end(body);
  const [response] = await Promise.all([answered, written]);
  return { status: response.statusCode ?? 0, text: await readText(response, maxAnswerBytes) };
}

async function readText(response: nodeHttp.IncomingMessage, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) throw new Error(`its answer is longer than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
