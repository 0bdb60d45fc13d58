/*
 * Scope: moving one request and its response between a bottle and the upstream, streaming, with back-pressure both ways.
 * Out of scope: decisions. Fail-safe direction: a response that cannot be searched for the credential is not passed on.
 */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { cutResponse } from './cut-response.ts';
import { type Denied, deny } from './decide.ts';
import type { ForwardPlan } from './exchange.ts';
import { type FrontResponse, isHttp2 } from './front.ts';
import { returnedHeaders } from './headers.ts';
import { areSearched, endThrough, nameThrough, pushThrough, type ResponseStage, StageRefusal, scrubOf, textThrough } from './stages.ts';
import { streamRefusal } from './streaming.ts';
import type { AnswerHandler, Flow } from './transport.ts';
import { UpstreamError } from './upstream-error.ts';

export interface RelayOptions {
  readonly plan: ForwardPlan;
  readonly stages: readonly ResponseStage[];
  /** The answer could not be passed on; whoever is called answers the bottle */
  readonly onFailure: (denied: Denied, detail: string) => void;
}

/** Streams one upstream answer into the response of the bottle. */
export class ResponseRelay implements AnswerHandler {
  readonly #response: FrontResponse;
  readonly #options: RelayOptions;
  readonly #stages: readonly ResponseStage[];
  #flow: Flow | undefined;
  /** Not sent yet, because it may be all of the answer */
  #head: { readonly status: number; readonly flat: string[] } | undefined;
  #aborted: string | undefined;
  #started = false;
  #finished = false;
  #status = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(response: FrontResponse, options: RelayOptions) {
    this.#response = response;
    this.#options = options;
    this.#stages = options.stages;
    const emitter: NodeJS.EventEmitter = response;
    emitter
      .on('drain', () => this.#flow?.resume())
      .on('close', () => this.#onClose())
      .on('error', () => this.#onClose());
  }

  /** What the exchange has moved so far; status 0 before the server answered. */
  get outcome(): { readonly status: number; readonly bytesUp: number; readonly bytesDown: number } {
    return { status: this.#status, bytesUp: this.#bytesUp, bytesDown: this.#bytesDown };
  }

  abort(reason: string): void {
    this.#aborted = reason;
    this.#flow?.abort(new Error(reason));
    cutResponse(this.#response);
  }

  onRequestStart(flow: Flow): void {
    this.#flow = flow;
    if (this.#aborted !== undefined) flow.abort(new Error(this.#aborted));
  }

  onResponseStart(flow: Flow, status: number, headers: IncomingHttpHeaders, statusMessage = ''): void {
    if (status < 200) return;
    this.#status = status;
    if (status === 401) this.#options.plan.onUnauthorized?.();
    this.#guard(flow, () => this.#start(status, headers, statusMessage));
  }

  onBodySent(chunk: Buffer): void {
    this.#bytesUp += chunk.length;
  }

  onResponseData(flow: Flow, chunk: Buffer): void {
    this.#bytesDown += chunk.length;
    this.#guard(flow, () => {
      const bytes = pushThrough(this.#stages, chunk);
      this.#releaseHead(false);
      if (bytes.length > 0 && !(this.#response as ServerResponse).write(bytes)) flow.pause();
    });
  }

  onResponseEnd(flow: Flow, trailers: IncomingHttpHeaders): void {
    this.#guard(flow, () => this.#end(trailers ?? {}));
  }

  onResponseError(_flow: Flow | undefined, error: Error): void {
    if (this.#finished) return;
    if (error instanceof StageRefusal) {
      this.#fail(error.denied, error.denied.detail ?? error.message);
      return;
    }
    const name = this.#options.plan.target.name;
    const reason = error instanceof UpstreamError ? error.reason : 'upstream-failed';
    this.#fail(deny(reason, failureMessage(reason, name), failureHint(reason, this.#options.plan.route.name)), error.message);
  }

  #start(status: number, headers: IncomingHttpHeaders, statusMessage: string): void {
    const encoding = headers['content-encoding'];
    if (areSearched(this.#stages) && encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      const message = 'the server encoded its answer, so it cannot be searched for the credential';
      const refusal = deny('response-unscannable', message, 'Ask for the answer without compression.');
      throw new StageRefusal({ ...refusal, detail: `content-encoding ${encoding.slice(0, 40)}` });
    }
    const refusal = streamRefusal(this.#options.plan.route, headers['content-type']);
    if (refusal !== undefined) throw new StageRefusal(refusal);
    const flat = returnedHeaders(headers, scrubOf(this.#stages));
    const phrase = textThrough(this.#stages, statusMessage);
    this.#started = true;
    if (!isHttp2(this.#response)) this.#response.writeHead(status, phrase, flat);
    else if (headers['grpc-status'] === undefined) this.#response.writeHead(status, flat as unknown as IncomingHttpHeaders);
    else this.#head = { status, flat };
    setImmediate(() => this.#flushHead());
  }

  /** An answer of gRPC that is a head alone must end with that head: clients take its status from there. */
  #releaseHead(endStream: boolean): void {
    const { status, flat } = this.#head ?? {};
    this.#head = undefined;
    if (status === undefined || flat === undefined || !isHttp2(this.#response)) return;
    if (endStream) this.#response.stream.respond([':status', String(status), ...flat], { endStream });
    else this.#response.writeHead(status, flat as unknown as IncomingHttpHeaders);
  }

  #end(trailers: IncomingHttpHeaders): void {
    const rest = endThrough(this.#stages);
    const fields = Object.entries(trailers).map(([name, value]): [string, string] => [
      nameThrough(this.#stages, name),
      textThrough(this.#stages, String(value)),
    ]);
    this.#releaseHead(rest.length === 0 && fields.length === 0);
    if (fields.length > 0) this.#response.addTrailers(Object.fromEntries(fields));
    this.#finished = true;
    if (rest.length > 0) (this.#response as ServerResponse).end(rest);
    else (this.#response as ServerResponse).end();
  }

  /** What a stage refuses, or fails at, ends the exchange. */
  #guard(flow: Flow, work: () => void): void {
    if (this.#finished) return;
    try {
      work();
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      this.onResponseError(flow, reason);
      flow.abort(reason);
    }
  }

  #fail(refusal: Denied, detail: string): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#aborted === undefined) this.#options.onFailure(refusal, detail);
    if (this.#started) cutResponse(this.#response);
  }

  /** An event stream may send its head long before its first event. */
  #flushHead(): void {
    if (!this.#finished && !this.#response.destroyed && this.#head === undefined) (this.#response as ServerResponse).flushHeaders();
  }

  #onClose(): void {
    if (this.#finished) return;
    this.#aborted ??= 'the client went away';
    this.#flow?.abort(new Error(this.#aborted));
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
    return `To allow it, a person adds the network to \`privateNetworks\` of the rule \`${route}\`, or allows the host anew with \`terok egress allow … --private-network CIDR\`.`;
  if (reason === 'upstream-untrusted') return 'A person adds the CA of that server to the trust store of the host.';
  return 'Try again; `terok doctor` on the host checks the network.';
}
