/*
 * Scope: requests to one server over HTTP/2, on sessions of this server alone: another one is opened where the server takes no more
 * streams, up to a number; beyond that requests wait for their turn. As many wait as bottles may have under way.
 * Out of scope: how a connection is made (`upstream.ts`). Fail-safe direction: a stream that does not end as it should is an error.
 */
import http2, { type ClientHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { DIAL_TIMEOUT_MS } from './dial.ts';
import { Http2Exchange } from './http2-exchange.ts';
import type { AnswerHandler, Outgoing, Transport } from './transport.ts';

const MAX_HEADER_BYTES = 64 * 1024;
/** What may be under way before the bottle has taken it. */
const WINDOW_BYTES = 1024 * 1024;
const IDLE_TIMEOUT_MS = 10_000;
/** Sessions with one server at the same time. */
export const MAX_SESSIONS = 8;
/** Streams of one session, where the server would take more. */
const MAX_STREAMS = 100;

interface Lane {
  readonly opening: Promise<ClientHttp2Session>;
  /** Absent until the server has said what it takes */
  session?: ClientHttp2Session;
  running: number;
}

interface Waiting {
  readonly exchange: Http2Exchange;
  readonly begin: (lane: Lane, session: ClientHttp2Session) => void;
}

export class Http2Transport implements Transport {
  readonly #open: () => Promise<TLSSocket>;
  readonly #lanes = new Set<Lane>();
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(open: () => Promise<TLSSocket>) {
    this.#open = open;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  dispatch(outgoing: Outgoing, handler: AnswerHandler): void {
    let lane: Lane | undefined;
    const exchange = new Http2Exchange(outgoing, handler, () => {
      this.#running -= 1;
      if (lane !== undefined) lane.running -= 1;
      this.#advance();
    });
    this.#running += 1;
    handler.onRequestStart(exchange);
    const begin = (chosen: Lane, session: ClientHttp2Session): void => {
      lane = chosen;
      lane.running += 1;
      exchange.start(session);
    };
    this.#waiting.push({ exchange, begin });
    this.#advance();
  }

  close(): void {
    for (const { opening } of this.#lanes) opening.then((session) => session.destroy()).catch(() => undefined);
    this.#lanes.clear();
    this.#failWaiting(new Error('the gateway closed its connections'));
  }

  /** Begins what has room, in order; one session is opened at a time, because the first says how much room each has. */
  #advance(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const free = next.exchange.isDone ? undefined : this.#free();
      if (free === undefined && !next.exchange.isDone) break;
      this.#waiting.shift();
      if (free !== undefined) next.begin(free.lane, free.session);
    }
    const isOpening = [...this.#lanes].some(({ session }) => session === undefined);
    if (this.#waiting.length > 0 && !isOpening && this.#lanes.size < MAX_SESSIONS) this.#addLane();
  }

  #free(): { readonly lane: Lane; readonly session: ClientHttp2Session } | undefined {
    for (const lane of this.#lanes) {
      const { session, running } = lane;
      if (session !== undefined && running < streamsOf(session)) return { lane, session };
    }
    return undefined;
  }

  #addLane(): void {
    const lane: Lane = { opening: this.#open().then(greeted), running: 0 };
    this.#lanes.add(lane);
    lane.opening.then(
      (session) => this.#use(lane, session),
      (error: unknown) => {
        this.#lanes.delete(lane);
        if (this.#lanes.size === 0) this.#failWaiting(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #use(lane: Lane, session: ClientHttp2Session): void {
    const forget = (): void => {
      if (this.#lanes.delete(lane)) this.#advance();
    };
    session.on('error', forget).on('close', forget).on('goaway', forget);
    session.on('remoteSettings', () => this.#advance());
    session.setTimeout(IDLE_TIMEOUT_MS, () => {
      if (lane.running > 0) return;
      forget();
      session.close();
    });
    if (!this.#lanes.has(lane)) return;
    lane.session = session;
    this.#advance();
  }

  #failWaiting(error: Error): void {
    for (const { exchange } of this.#waiting.splice(0)) exchange.fail(error);
  }
}

/** A session once its server has said what it takes. */
function greeted(socket: TLSSocket): Promise<ClientHttp2Session> {
  const session = http2.connect(`https://${socket.servername || 'upstream'}`, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: MAX_HEADER_BYTES },
  });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => session.destroy(new Error('the server did not begin HTTP/2 in time')), DIAL_TIMEOUT_MS);
    session.once('remoteSettings', () => resolve(session)).once('error', reject);
    session.once('close', () => reject(new Error('the server closed the connection before it began HTTP/2')));
    session.once('remoteSettings', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  });
}

/** A server that takes none for a while has one waiting in its session. */
function streamsOf({ remoteSettings }: ClientHttp2Session): number {
  return Math.max(1, Math.min(remoteSettings.maxConcurrentStreams ?? MAX_STREAMS, MAX_STREAMS));
}
