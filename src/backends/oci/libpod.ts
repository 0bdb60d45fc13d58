/*
 * Scope: the REST interface of libpod on a service of terok's own. One Podman process answers what would each be a process of its own.
 * Out of scope: what is asked. Fail-safe direction: a call that is cancelled or takes too long ends the service, so that nothing goes
 * on behind the back of a caller who cleans up after it.
 */
import http from 'node:http';
import { isTerokError, messageOf, patient, systemCodeOf, TerokError } from '../../core/index.ts';
import type { ApiService } from './api-service.ts';
import { classifyFailure } from './failure.ts';

export interface LibpodRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/libpod`, with its query */
  readonly path: string;
  /** Sent as JSON */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Statuses beside 2xx that are a result */
  readonly accept?: readonly number[];
}

export interface LibpodAnswer {
  readonly status: number;
  readonly text: string;
}

/** Podman 4 and 5 both speak this version. */
const PREFIX = '/v4.0.0/libpod';
const TIMEOUT_MS = patient(120_000);
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export class Libpod {
  readonly #service: ApiService;
  #usable: Promise<boolean> | undefined;

  constructor(service: ApiService) {
    this.#service = service;
  }

  /** Starts the service where it does not run. False where it cannot be started here. */
  usable(): Promise<boolean> {
    this.#usable ??= this.#service.open().then(
      () => true,
      () => false,
    );
    return this.#usable;
  }

  /** Throws what the answer means; `action` is a verb phrase such as `create container \`x\``. */
  async call(action: string, request: LibpodRequest): Promise<LibpodAnswer> {
    const { signal, accept = [] } = request;
    signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const answer = await this.#send(request, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
      if ((answer.status >= 200 && answer.status < 300) || accept.includes(answer.status)) return answer;
      throw classifyFailure(action, `Error: ${reasonOf(answer)}`, { status: answer.status });
    } catch (error) {
      if (signal?.aborted === true || deadline.aborted) await this.#service.abandon();
      signal?.throwIfAborted();
      if (deadline.aborted) throw new TerokError('TIMEOUT', `Podman did not ${action} in time.`, { hint: 'Run `terok doctor`.' });
      if (isTerokError(error) || systemCodeOf(error) === undefined) throw error;
      throw new TerokError('RUNTIME_FAILED', `Podman failed to ${action}: its service ended (${messageOf(error)}).`, { cause: error });
    }
  }

  /** A service may end for lack of work in the very moment; who could not connect has asked for nothing yet. */
  async #send(request: LibpodRequest, signal: AbortSignal): Promise<LibpodAnswer> {
    const socket = await this.#service.open();
    try {
      const answer = await send(socket, request, signal);
      this.#service.used(socket, 'answered');
      return answer;
    } catch (error) {
      this.#service.used(socket, 'failed');
      if (isTerokError(error) || !['ENOENT', 'ECONNREFUSED'].includes(systemCodeOf(error) ?? '')) throw error;
      return await send(await this.#service.open(), request, signal);
    }
  }
}

function send(socketPath: string, { method, path, body }: LibpodRequest, signal: AbortSignal): Promise<LibpodAnswer> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  const headers = json === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) };
  // without a name of a server Node looks whether `localhost` is an address, with expressions that take long to make
  const target = { socketPath, method, path: PREFIX + path, servername: '' };
  return new Promise((resolve, reject) => {
    const request = http.request({ ...target, headers, agent: false, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) request.destroy(new TerokError('RUNTIME_FAILED', 'Podman answered more than terok takes.'));
      });
      response.once('error', reject).once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.once('error', reject).end(json);
  });
}

/** An error is `{ cause, message, response }`. */
function reasonOf({ status, text }: LibpodAnswer): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : `status ${status}`;
  } catch {
    // Not the JSON of Podman: the status is all there is to tell
    return `status ${status}`;
  }
}
