import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { answerAnthropic } from './model-endpoint-anthropic.ts';
import { answerChat } from './model-endpoint-chat.ts';
import { answerResponses } from './model-endpoint-responses.ts';

/** What the model makes the agent do, one tool call after the other; then it says `farewell`. */
export interface ModelScript {
  readonly steps: readonly ModelStep[];
  readonly farewell: string;
}

export type ModelStep =
  | { readonly kind: 'write'; readonly path: string; readonly content: string }
  | { readonly kind: 'shell'; readonly command: string };

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
}

export interface ModelEndpoint extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
}

export interface ModelEndpointOptions {
  readonly script: ModelScript;
  /** The only key that is accepted, in `x-api-key` or as `Bearer`; anything else is answered with 401, as the real servers do */
  readonly apiKey: string | (() => string);
  /** Address to listen on, 127.0.0.1 by default */
  readonly address?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Longest request of a test: whole conversations with all tool descriptions stay far below. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** A model server on this machine that speaks the protocols of Anthropic and OpenAI and follows a script. */
export async function startModelEndpoint(options: ModelEndpointOptions): Promise<ModelEndpoint> {
  const requests: RecordedRequest[] = [];
  const listener: RequestListener = (request, response) => {
    handle(request, response, options, requests).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  };
  const server = options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener);
  const address = options.address ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${address}:${port}`,
    port,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: ModelEndpointOptions,
  requests: RecordedRequest[],
): Promise<void> {
  const body = await readBody(request);
  response.once('finish', () => {
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body, status: response.statusCode });
  });
  if (!hasKey(request, typeof options.apiKey === 'string' ? options.apiKey : options.apiKey()))
    return sendJson(response, 401, { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } });
  const path = new URL(request.url ?? '/', 'http://model').pathname;
  const answer = ANSWERS.find(([ending]) => path.endsWith(ending))?.[1];
  if (request.method !== 'POST' || answer === undefined)
    return sendJson(response, 404, { type: 'error', error: { type: 'not_found_error', message: `nothing at ${path}` } });
  answer(JSON.parse(body), response, options.script);
}

const ANSWERS: readonly (readonly [string, (body: unknown, response: ServerResponse, script: ModelScript) => void])[] = [
  ['/messages', answerAnthropic],
  ['/messages/count_tokens', (_, response) => sendJson(response, 200, { input_tokens: 10 })],
  ['/responses', answerResponses],
  ['/chat/completions', answerChat],
];

function hasKey(request: IncomingMessage, apiKey: string): boolean {
  return request.headers['x-api-key'] === apiKey || request.headers.authorization === `Bearer ${apiKey}`;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) throw new Error(`request of more than ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** Server-sent events; `named` adds the `event:` line that Anthropic and the Responses API use. */
export function sendEvents(response: ServerResponse, events: readonly { readonly type: string }[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  response.end();
}
