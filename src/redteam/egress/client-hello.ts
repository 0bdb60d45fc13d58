import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { connect } from 'node:tls';

const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;

/** The first bytes of a TLS client that names a host in the clear and says that the real name is encrypted, as latin1. */
export async function withEncryptedHello(serverName: string): Promise<string> {
  const record = await clientHello(serverName);
  const body = Buffer.concat([record.subarray(RECORD_HEADER + HANDSHAKE_HEADER), extension()]);
  const lengthAt = extensionsAt(body);
  body.writeUInt16BE(body.length - lengthAt - 2, lengthAt);
  const message = Buffer.concat([Buffer.of(1), integer(body.length, 3), body]);
  return Buffer.concat([Buffer.of(22, 3, 1), integer(message.length, 2), message]).toString('latin1');
}

/** What a real client sends, to a listener on the loopback that takes it and hangs up. */
async function clientHello(serverName: string): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const taken = new Promise<Buffer>((resolve, reject) => {
    server.once('connection', (socket) => {
      socket.once('data', resolve).once('error', reject);
    });
  });
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: '127.0.0.1', port, servername: serverName });
  // the handshake never ends; only its beginning is wanted
  client.on('error', () => undefined);
  try {
    return await taken;
  } finally {
    client.destroy();
    server.close();
  }
}

/** The outer form: KDF, AEAD, an encapsulated key and a sealed inner hello, of random bytes as any observer would see them. */
function extension(): Buffer {
  const body = Buffer.concat([Buffer.of(0, 0, 1, 0, 1, 7), integer(32, 2), randomBytes(32), integer(144, 2), randomBytes(144)]);
  return Buffer.concat([integer(ENCRYPTED_CLIENT_HELLO, 2), integer(body.length, 2), body]);
}

/** Version, random, session, cipher suites and compression come before the extensions. */
function extensionsAt(body: Buffer): number {
  let at = 2 + 32;
  at += 1 + (body[at] ?? 0);
  at += 2 + body.readUInt16BE(at);
  return at + 1 + (body[at] ?? 0);
}

function integer(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}
