/*
 * Scope: moving one request and its response between a bottle and the upstream, streaming, with back-pressure both ways.
 * Out of scope: decisions. Fail-safe direction: a response that cannot be searched for the credential is not passed on.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Dispatcher } from 'undici';
import { type Denied, deny } from './decide.ts';
import type { ForwardPlan } from './exchange.ts';
import type { FrontRequest, FrontResponse } from './front.ts';
import { returnedHeaders } from './headers.ts';
import { REFUSAL_STATUS, refusalBody, refusalHeaders } from './refusal.ts';
import { Scrubber } from './scrub.ts';
import { UpstreamError } from './upstream.ts';

export interface RelayOptions {
  readonly plan: ForwardPlan;
  /** The answer could not be passed on; whoever is called answers the bottle */
  readonly onFailure: (denied: Denied, detail: string) => void;
}

/** Sends a planned request; the answer streams into the relay. */
export function dispatchRequest(dispatcher: Dispatcher, plan: ForwardPlan, body: FrontRequest | null, relay: ResponseRelay): void {
  dispatcher.dispatch(
    {
      method: plan.method,
      path: plan.requestTarget,
      headers: plan.headers.flat(),
      body,
      idempotent: body === null && (plan.method === 'GET' || plan.method === 'HEAD'),
    },
    relay,
  );
}

/** Answers a refused request; the connection goes on where its framing is certain. */
export function answerRefusal(request: FrontRequest, response: FrontResponse, refusal: Denied): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = refusalBody(refusal);
  const status = REFUSAL_STATUS[refusal.reason];
  const isHttp1 = request.httpVersionMajor === 1;
  const headers = { ...refusalHeaders(refusal, body), ...(isHttp1 ? { connection: 'close' } : {}) };
  (response as ServerResponse).writeHead(status, headers);
  response.end(body);
  request.resume();
}

/** Streams one upstream answer into the response of the bottle. */
export class ResponseRelay implements Dispatcher.DispatchHandler {
  readonly #response: FrontResponse;
  readonly #options: RelayOptions;
  readonly #scrubber: Scrubber | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted: string | undefined;
  #started = false;
  #finished = false;
  #status = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(response: FrontResponse, options: RelayOptions) {
    this.#response = response;
    this.#options = options;
    this.#scrubber = options.plan.secret === undefined ? undefined : new Scrubber(options.plan.secret);
    response.on('drain', () => this.#controller?.resume());
    response.on('close', () => this.#onClose());
    response.on('error', () => this.#onClose());
  }

  /** What the exchange has moved so far; status 0 before the server answered. */
  get outcome(): { readonly status: number; readonly bytesUp: number; readonly bytesDown: number } {
    return { status: this.#status, bytesUp: this.#bytesUp, bytesDown: this.#bytesDown };
  }

  abort(reason: string): void {
    this.#aborted = reason;
    this.#controller?.abort(new Error(reason));
    this.#response.destroy();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted !== undefined) controller.abort(new Error(this.#aborted));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders, statusMessage = ''): void {
    if (status < 200) return;
    this.#status = status;
    const encoding = headers['content-encoding'];
    if (this.#scrubber !== undefined && encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      const refusal = deny(
        'response-unscannable',
        'the server encoded its answer, so it cannot be searched for the credential',
        'Ask for the answer without compression.',
      );
      this.#fail(refusal, `content-encoding ${encoding.slice(0, 40)}`);
      controller.abort(new Error(refusal.message));
      return;
    }
    this.#started = true;
    const flat = returnedHeaders(headers, (value) => this.#scrubber?.text(value) ?? value);
    if (isHttp2(this.#response)) this.#response.writeHead(status, flat as unknown as IncomingHttpHeaders);
    else this.#response.writeHead(status, this.#scrubber?.text(statusMessage) ?? statusMessage, flat);
    setImmediate(() => this.#flushHead());
  }

  onBodySent(chunk: Buffer): void {
    this.#bytesUp += chunk.length;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytesDown += chunk.length;
    const bytes = this.#scrubber?.push(chunk) ?? chunk;
    if (bytes.length > 0 && !(this.#response as ServerResponse).write(bytes)) controller.pause();
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#finished = true;
    const rest = this.#scrubber?.end();
    const fields = Object.entries(trailers ?? {});
    if (fields.length > 0)
      this.#response.addTrailers(
        Object.fromEntries(fields.map(([name, value]) => [name, this.#scrubber?.text(String(value)) ?? String(value)])),
      );
    if (rest !== undefined && rest.length > 0) this.#response.end(rest);
    else this.#response.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#finished) return;
    const name = this.#options.plan.target.name;
    const reason = error instanceof UpstreamError ? error.reason : 'upstream-failed';
    this.#fail(deny(reason, failureMessage(reason, name), failureHint(reason, this.#options.plan.route.name)), error.message);
  }

  #fail(refusal: Denied, detail: string): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#aborted === undefined) this.#options.onFailure(refusal, detail);
    if (this.#started) this.#response.destroy();
  }

  /** An event stream may send its head long before its first event. */
  #flushHead(): void {
    if (!this.#finished && !this.#response.destroyed) (this.#response as ServerResponse).flushHeaders();
  }

  #onClose(): void {
    if (this.#finished) return;
    this.#aborted ??= 'the client went away';
    this.#controller?.abort(new Error(this.#aborted));
  }
}

function failureMessage(reason: Denied['reason'], name: string): string {
  if (reason === 'address-not-allowed') return `\`${name}\` resolves to an address that the route does not allow`;
  if (reason === 'name-unresolved') return `the host could not resolve \`${name}\``;
  if (reason === 'upstream-untrusted') return `the certificate of \`${name}\` is not trusted by the host`;
  return `the connection to \`${name}\` failed`;
}

function failureHint(reason: Denied['reason'], route: string): string {
  if (reason === 'address-not-allowed')
    return `To allow it, a person adds the network to \`privateNetworks\` of the route \`${route}\` in the project setting \`egress.routes\`.`;
  if (reason === 'upstream-untrusted') return 'A person adds the CA of that server to the trust store of the host.';
  return 'Try again; `terok doctor` on the host checks the network.';
}

function isHttp2(response: FrontResponse): response is Http2ServerResponse {
  return 'stream' in response && response.stream !== undefined;
}
