/*
 * Scope: the search of one request: its head, its body or the frames of its WebSocket. Out of scope: what a find leads to (`guard.ts`).
 * Fail-safe direction: a chunk goes on when all of it was searched and every find in it was decided about.
 */
import { pipeline, type Readable, Transform } from 'node:stream';
import { callbackify } from 'node:util';
import type { CredentialCarrier } from '../credentials.ts';
import { deny } from '../decide.ts';
import type { HeaderList } from '../headers.ts';
import { StageRefusal } from '../stages.ts';
import { WebSocketFrames } from '../websocket-frames.ts';
import { type BodyEncoding, decodeBody } from './body-decoding.ts';
import { ByteSearch, type SearchOptions } from './byte-search.ts';
import type { Finding } from './finding.ts';
import { percentDecoded } from './percent-decoded.ts';

export interface WatchOptions extends Pick<SearchOptions, 'set' | 'detect'> {
  readonly masksSecrets: boolean;
  readonly masksDetected: boolean;
  /** Resolves where a find may go on, masked where that was asked for and `canMask`; rejects with a `StageRefusal` otherwise */
  readonly judge: (finding: Finding, canMask: boolean) => Promise<void>;
  /** May a field after the body go on with a find in it? The body is gone, so nobody can be asked and nothing refused */
  readonly judgeTrailer: (finding: Finding) => boolean;
}

/** Raw frames that wait for the end of what could be a secret; one byte of payload has up to 14 bytes of header. */
const MAX_HELD_FRAME_BYTES = 256 * 1024;

export class Watch {
  readonly #options: WatchOptions;
  readonly #judged = new Set<string>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** The head as it may go on. The host counts: a wildcard route lets the bottle choose its first labels. */
  async head(host: string, { target, headers }: CredentialCarrier): Promise<CredentialCarrier> {
    await this.#search(false).push(Buffer.from(host));
    const pieces = [target, percentDecoded(target), ...headers.flat()];
    const judgedBefore = this.#judged.size;
    await this.#search(true).push(Buffer.from(pieces.join('\n')));
    if (this.#judged.size === judgedBefore || !(this.#options.masksSecrets || this.#options.masksDetected)) return { target, headers };
    const masked = async (text: string): Promise<string> => {
      const search = this.#search(true);
      return Buffer.concat([await search.push(Buffer.from(text)), await search.end()]).toString('utf8');
    };
    return {
      target: await masked(target),
      headers: await Promise.all(headers.map(async ([name, value]) => [name, await masked(value)] as const)),
    };
  }

  /** The body as it may go on, decoded; fails with a `StageRefusal`. */
  body(source: Readable, encodings: readonly BodyEncoding[]): Readable {
    const search = this.#search(true);
    const through = asyncTransform(
      (chunk) => search.push(chunk),
      () => search.end(),
    );
    pipeline(encodings.length === 0 ? source : decodeBody(source, encodings), through, () => undefined);
    return through;
  }

  /** The fields after a body, when it has gone already: those that may not go on are left out. */
  async trailers(trailers: HeaderList): Promise<HeaderList> {
    const passed: (readonly [string, string])[] = [];
    for (const field of trailers) if (await this.#mayFollow(field.join('\n'))) passed.push(field);
    return passed;
  }

  async #mayFollow(field: string): Promise<boolean> {
    let mayPass = true;
    const { set, detect, judgeTrailer } = this.#options;
    const judge = async (finding: Finding): Promise<void> => {
      if (!judgeTrailer(finding)) mayPass = false;
    };
    const search = new ByteSearch({ set, detect, masksSecrets: false, masksDetected: false, judge });
    await search.push(Buffer.from(field));
    await search.end();
    return mayPass;
  }

  /** For what a client sends on a WebSocket without compression: frames go on as they are, or the connection ends. */
  frames(): Transform {
    const frames = new WebSocketFrames();
    const [messages, controls] = [this.#search(false), this.#search(false)];
    let held: Buffer = Buffer.alloc(0);
    return asyncTransform(
      async (chunk) => {
        for (const { part, bytes, isExtended } of frames.push(chunk)) {
          if (isExtended) throw new StageRefusal(extended());
          if (part !== 'header') await (part === 'control' ? controls : messages).push(bytes);
        }
        const waiting = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        const isOpen = messages.heldBytes + controls.heldBytes > 0;
        if (isOpen && waiting.length > MAX_HELD_FRAME_BYTES) throw new StageRefusal(cutInPieces());
        held = isOpen ? waiting : Buffer.alloc(0);
        return isOpen ? Buffer.alloc(0) : waiting;
      },
      async () => held,
    );
  }

  #search(canMask: boolean): ByteSearch {
    const { set, detect, masksSecrets, masksDetected } = this.#options;
    return new ByteSearch({
      set,
      detect,
      masksSecrets: masksSecrets && canMask,
      masksDetected: masksDetected && canMask,
      judge: (finding) => this.#judge(finding, canMask),
    });
  }

  /** One decision for each thing that was found, however often it stands there. */
  async #judge(finding: Finding, canMask: boolean): Promise<void> {
    const key = JSON.stringify([finding.kind, finding.name]);
    if (this.#judged.has(key)) return;
    await this.#options.judge(finding, canMask);
    this.#judged.add(key);
  }
}

function asyncTransform(push: (chunk: Buffer) => Promise<Buffer>, end: () => Promise<Buffer>): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => callbackify(push)(chunk, done),
    flush: (done) => callbackify(end)(done),
  });
}

function extended() {
  return deny('encoding-unknown', 'the frames use an extension, so they cannot be searched', 'Use the WebSocket without compression.');
}

function cutInPieces() {
  return deny('data-loss', 'the frames look like a secret that is sent in many small pieces', 'Send messages in fewer frames.');
}
