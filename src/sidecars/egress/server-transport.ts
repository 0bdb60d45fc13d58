import type { Http1Transport } from './http1-transport.ts';
import type { Http2Transport } from './http2-transport.ts';
import { isGrpc } from './is-grpc.ts';
import type { AnswerHandler, Outgoing, Transport } from './transport.ts';

/**
 * One server over HTTP/1.1, which is faster for what agents do, and over HTTP/2 where that is needed: gRPC, and servers that speak
 * nothing else.
 */
export class ServerTransport implements Transport {
  readonly #http1: Http1Transport;
  readonly #http2: Http2Transport | undefined;
  #isHttp2Only = false;

  constructor(http1: Http1Transport, http2?: Http2Transport) {
    this.#http1 = http1;
    this.#http2 = http2;
  }

  get isIdle(): boolean {
    return this.#http1.isIdle && this.#http2?.isIdle !== false;
  }

  dispatch(outgoing: Outgoing, handler: AnswerHandler): void {
    const http2 = outgoing.upgrade === undefined ? this.#http2 : undefined;
    if (http2 === undefined) this.#http1.dispatch(outgoing, handler);
    else if (this.#isHttp2Only || isGrpc(outgoing)) http2.dispatch(outgoing, handler);
    else
      this.#http1.dispatch(outgoing, handler, () => {
        this.#isHttp2Only = true;
        http2.dispatch(outgoing, handler);
      });
  }

  close(): void {
    this.#http1.close();
    this.#http2?.close();
  }
}
