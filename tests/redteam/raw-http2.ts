/** One header field as it goes on the wire; nothing is checked or put in order. */
export type RawField = readonly [name: string, value: string];

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME = { data: 0, headers: 1, settings: 4 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;

/** Everything that a client sends to ask one thing over HTTP/2, with any fields, also such as no client library would send. */
export function rawHttp2Request(fields: readonly RawField[], body?: string): Buffer {
  const block = Buffer.concat(fields.map(literal));
  const flags = END_HEADERS | (body === undefined ? END_STREAM : 0);
  const data = body === undefined ? [] : [frame(FRAME.data, END_STREAM, 1, Buffer.from(body, 'latin1'))];
  return Buffer.concat([
    Buffer.from(PREFACE),
    frame(FRAME.settings, 0, 0, Buffer.alloc(0)),
    frame(FRAME.headers, flags, 1, block),
    ...data,
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK: a literal without indexing, name and value as plain octets */
function literal([name, value]: RawField): Buffer {
  return Buffer.concat([Buffer.of(0), octets(name), octets(value)]);
}

function octets(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 127;
  const length = rest < 128 ? [127, rest] : [127, (rest % 128) | 0x80, Math.floor(rest / 128)];
  return Buffer.concat([Buffer.from(length), bytes]);
}
