import { Readable } from 'node:stream';

/** The body of one request: it streams on, unless something must see all of it before the request can be sent. */
export class RequestBody {
  readonly #stream: Readable;
  readonly #onRead: () => void;
  #whole: Promise<Buffer | undefined> | undefined;

  /** @param onRead called before the first read: a client that waits for `100 Continue` sends nothing earlier */
  constructor(stream: Readable, onRead: () => void) {
    this.#stream = stream;
    this.#onRead = onRead;
  }

  /** All of it, the same at every call; undefined where it is longer than `maxBytes`. Rejects where the client goes away. */
  whole(maxBytes: number): Promise<Buffer | undefined> {
    this.#whole ??= this.#collect(maxBytes);
    return this.#whole;
  }

  /** What to send: the bytes that were read, or the stream. */
  toSend(): Readable {
    if (this.#whole === undefined) {
      this.#onRead();
      return this.#stream;
    }
    return Readable.from(this.#read());
  }

  #collect(maxBytes: number): Promise<Buffer | undefined> {
    this.#onRead();
    const chunks: Buffer[] = [];
    let length = 0;
    return new Promise((resolve, reject) => {
      this.#stream.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length <= maxBytes) chunks.push(chunk);
        else resolve(undefined);
      });
      this.#stream.once('end', () => resolve(Buffer.concat(chunks)));
      this.#stream.once('error', reject).once('close', () => reject(new Error('the request ended before its body did')));
    });
  }

  async *#read(): AsyncGenerator<Buffer> {
    const whole = await this.#whole;
    if (whole === undefined) throw new Error('the start of the body is gone');
    yield whole;
  }
}
