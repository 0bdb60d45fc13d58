/*
 * Scope: keeping credentials out of the messages that a server sends on a WebSocket, however it cuts them into frames and messages, with
 * control frames between. Out of scope: other forms than `secret-forms.ts` names. Fail-safe direction: frames wait until what could be a
 * credential is decided, in order and up to a bound; frames that cannot be read (masked, extended) end the connection.
 */
import { deny } from './decide.ts';
import type { PatternMatcher } from './pattern-matcher.ts';
import { Scrubber } from './scrub.ts';
import { type BodyStage, StageRefusal } from './stages.ts';
import { type FramePiece, WebSocketFrames } from './websocket-frames.ts';

/** One byte of payload has up to 10 bytes of header. */
const MAX_WAITING_BYTES = 256 * 1024;
/** Up to so many bytes less one of a secret may go before the rest shows what they were; an honest end of a message is not held back. */
const MIN_HELD_BYTES = 6;

/** Masks in place, so that every frame keeps its length. */
export class FrameScrubber implements BodyStage {
  readonly #frames = new WebSocketFrames();
  readonly #payload: Readonly<Record<'message' | 'control', ScrubbedPayload>>;
  #waiting: Pick<FramePiece, 'part' | 'bytes'>[] = [];
  #waitingBytes = 0;

  constructor(matcher: PatternMatcher) {
    this.#payload = { message: new ScrubbedPayload(matcher), control: new ScrubbedPayload(matcher) };
  }

  push(chunk: Buffer): Buffer {
    for (const piece of this.#frames.push(chunk)) this.#take(piece);
    const ready = this.#release();
    if (this.#waitingBytes > MAX_WAITING_BYTES) throw unreadable('the frames look like a credential in many small pieces');
    return ready;
  }

  end(): Buffer {
    this.#payload.message.end();
    this.#payload.control.end();
    return this.#release();
  }

  #take({ part, bytes, isMasked, isExtended }: FramePiece): void {
    if (isMasked || isExtended) throw unreadable('the server sent masked or extended frames, which cannot be searched');
    if (part !== 'header') this.#payload[part].push(bytes);
    this.#waiting.push({ part, bytes });
    this.#waitingBytes += bytes.length;
  }

  /** What is decided, in the order of the wire. */
  #release(): Buffer {
    const ready: Buffer[] = [];
    let done = 0;
    for (const { part, bytes } of this.#waiting) {
      const passed = part === 'header' ? bytes : this.#payload[part].take(bytes.length);
      ready.push(passed);
      this.#waitingBytes -= passed.length;
      if (passed.length < bytes.length) {
        this.#waiting[done] = { part, bytes: bytes.subarray(passed.length) };
        break;
      }
      done += 1;
    }
    this.#waiting = this.#waiting.slice(done);
    return Buffer.concat(ready);
  }
}

/** The payload of one kind of frames, as one stream. */
class ScrubbedPayload {
  readonly #scrubber: Scrubber;
  #ready: Buffer[] = [];

  constructor(matcher: PatternMatcher) {
    this.#scrubber = new Scrubber(matcher, { minHeldBytes: MIN_HELD_BYTES });
  }

  push(bytes: Buffer): void {
    this.#add(this.#scrubber.push(bytes));
  }

  end(): void {
    this.#add(this.#scrubber.end());
  }

  /** At most so many bytes. */
  take(length: number): Buffer {
    const taken: Buffer[] = [];
    let left = length;
    while (left > 0) {
      const [first] = this.#ready;
      if (first === undefined) break;
      taken.push(first.subarray(0, left));
      if (first.length > left) this.#ready[0] = first.subarray(left);
      else this.#ready.shift();
      left -= Math.min(left, first.length);
    }
    return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken);
  }

  #add(bytes: Buffer): void {
    if (bytes.length > 0) this.#ready.push(bytes);
  }
}

function unreadable(message: string): StageRefusal {
  return new StageRefusal(deny('response-unscannable', message, 'Speak plain WebSocket: whole messages, no extension.'));
}
