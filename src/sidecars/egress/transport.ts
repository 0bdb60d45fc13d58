import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { HeaderList } from './headers.ts';

/** A request as it goes to the server. */
export interface Outgoing {
  readonly method: string;
  /** Origin-form request target */
  readonly path: string;
  /** In order, `host` first; nothing that speaks about one connection */
  readonly headers: HeaderList;
  readonly body: Readable | null;
  /** Asked for once the body has ended */
  readonly trailers?: () => Promise<HeaderList>;
  /** Asks for a WebSocket: the answer is `onRequestUpgrade` or an ordinary one */
  readonly upgrade?: 'websocket';
}

/** Holds back, lets go on or ends what a server sends. */
export interface Flow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/** Takes what a server answers. `onResponseEnd` or `onResponseError` is the last call. */
export interface AnswerHandler {
  onRequestStart(flow: Flow): void;
  onBodySent?(chunk: Buffer): void;
  onResponseStart(flow: Flow, status: number, headers: IncomingHttpHeaders, statusMessage?: string): void;
  onResponseData(flow: Flow, chunk: Buffer): void;
  onResponseEnd(flow: Flow, trailers: IncomingHttpHeaders): void;
  onResponseError(flow: Flow | undefined, error: Error): void;
  onRequestUpgrade?(flow: Flow, status: number, headers: IncomingHttpHeaders, socket: Duplex): void;
}

/** Carries a request to its server and the answer back. */
export interface Transport {
  dispatch(outgoing: Outgoing, handler: AnswerHandler): void;
}
