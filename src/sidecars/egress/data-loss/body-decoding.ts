/*
 * Scope: the plain bytes of a request body that its client compressed: what is looked at is what is sent on.
 * Out of scope: what is looked for. Fail-safe direction: an encoding that is unknown, too deep, broken or a bomb refuses the request.
 */
import { pipeline, Readable, Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { type Denied, deny } from '../decide.ts';
import { type HeaderList, headerValue } from '../headers.ts';
import { StageRefusal } from '../stages.ts';

export type BodyEncoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** Nobody compresses more often than this without a reason to hide something. */
const MAX_LAYERS = 3;
/** A body may grow without a question up to here, */
const FREE_BYTES = 4 * 1024 * 1024;
/** and beyond it up to so many times its length; text compresses to a tenth. */
const MAX_RATIO = 100;
/** The largest window that a zstd frame may ask for. */
const MAX_ZSTD_WINDOW_LOG = 23;

const NAMES: Readonly<Record<string, BodyEncoding | undefined>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};
/** Say nothing about the bytes that a search would have to undo. */
const PLAIN = new Set(['identity', 'aws-chunked']);

/** The encodings of a body, outermost first. */
export function bodyEncodings(headers: HeaderList): readonly BodyEncoding[] | Denied {
  const names = (headerValue(headers, 'content-encoding') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && !PLAIN.has(name));
  const encodings = names.map((name) => NAMES[name]).filter((name) => name !== undefined);
  if (encodings.length < names.length) return unreadable('its encoding is not one of gzip, deflate, br and zstd');
  if (encodings.length > MAX_LAYERS) return unreadable(`it is encoded more than ${MAX_LAYERS} times`);
  return encodings.toReversed();
}

/** The headers of a request whose body is sent on decoded. */
export function decodedHeaders(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => name !== 'content-encoding' && name !== 'content-length');
}

/** The plain bytes of a body, in bounded memory; fails with a `StageRefusal`. */
export function decodeBody(source: Readable, encodings: readonly BodyEncoding[]): Readable {
  return Readable.from(decoded(source, encodings), { objectMode: false });
}

async function* decoded(source: Readable, encodings: readonly BodyEncoding[]): AsyncGenerator<Buffer> {
  let read = 0;
  let written = 0;
  const counting = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      read += chunk.length;
      done(null, chunk);
    },
  });
  const decoders = encodings.map(makeDecoder);
  pipeline([source, counting, ...decoders], () => undefined);
  try {
    for await (const chunk of (decoders.at(-1) ?? counting) as AsyncIterable<Buffer>) {
      written += chunk.length;
      if (written > FREE_BYTES && written > read * MAX_RATIO) throw new StageRefusal(unreadable('it grows without end when it is decoded'));
      yield chunk;
    }
  } catch (error) {
    throw error instanceof StageRefusal ? error : new StageRefusal(unreadable('it is not what its encoding says'));
  }
}

function makeDecoder(encoding: BodyEncoding): Transform {
  switch (encoding) {
    case 'gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG } });
  }
}

function unreadable(why: string): Denied {
  return deny('encoding-unknown', `the body cannot be looked at: ${why}`, 'Send it without compression.');
}
