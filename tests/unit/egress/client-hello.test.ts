import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseClientHello } from '../../../src/sidecars/egress/client-hello.ts';

let withName: Buffer;
let withoutName: Buffer;

beforeAll(async () => {
  withName = await captureHello({ servername: 'api.example.com' });
  withoutName = await captureHello({});
});

describe('parseClientHello', () => {
  test('finds the name that a real client sends', () => {
    expect(parseClientHello(withName)).toEqual({ kind: 'hello', serverName: 'api.example.com', isEncrypted: false });
  });

  test('says when a real client sends none', () => {
    expect(parseClientHello(withoutName)).toEqual({ kind: 'hello', serverName: undefined, isEncrypted: false });
  });

  test('waits for more at every cut, and never guesses', () => {
    for (let length = 0; length < withName.length; length += 1)
      expect(parseClientHello(withName.subarray(0, length)).kind).toBe('incomplete');
  });

  test('joins a message that is split over records', () => {
    const body = withName.subarray(5);
    const cut = 7;
    const split = Buffer.concat([record(body.subarray(0, cut)), record(body.subarray(cut))]);
    expect(parseClientHello(split)).toEqual({ kind: 'hello', serverName: 'api.example.com', isEncrypted: false });
  });

  test('refuses a second server name, a foreign name type and other handshakes', () => {
    expect(parseClientHello(hello([...sni('a.example'), ...sni('b.example')])).kind).toBe('invalid');
    expect(parseClientHello(hello(sni('a.example', 1))).kind).toBe('invalid');
    expect(parseClientHello(record(Buffer.of(2, 0, 0, 0))).kind).toBe('invalid');
    expect(parseClientHello(hello(sni('a.example')))).toEqual({ kind: 'hello', serverName: 'a.example', isEncrypted: false });
  });

  test('sees an encrypted ClientHello beside the name', () => {
    const encrypted = hello([...sni('a.example'), 0xfe, 0x0d, 0, 2, 0, 0]);
    expect(parseClientHello(encrypted)).toEqual({ kind: 'hello', serverName: 'a.example', isEncrypted: true });
  });

  test('tells other protocols apart', () => {
    for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x\r\n', '\x00\x00', '\x16\x02'])
      expect(parseClientHello(Buffer.from(text, 'latin1')).kind).toBe('not-tls');
  });

  test('bounds what it waits for', () => {
    const endless = Buffer.concat(Array.from({ length: 20 }, () => record(Buffer.of(1, 0, 0x40, 0, ...Buffer.alloc(1_000)))));
    expect(parseClientHello(endless).kind).not.toBe('incomplete');
    expect(parseClientHello(record(Buffer.of(1, 0xff, 0xff, 0xff))).kind).toBe('invalid');
  });

  test('survives any change of any byte', () => {
    fc.assert(
      fc.property(fc.nat(withName.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(withName);
        changed[at] = byte;
        expect(['hello', 'invalid', 'incomplete', 'not-tls']).toContain(parseClientHello(changed).kind);
      }),
      { numRuns: 1_000 },
    );
  });
});

async function captureHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tls.connect({ host: '127.0.0.1', port: (server.address() as net.AddressInfo).port, ...options });
  client.on('error', () => client.destroy());
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  server.close();
  return bytes;
}

function record(body: Uint8Array): Buffer {
  const head = Buffer.of(22, 3, 1, 0, 0);
  head.writeUInt16BE(body.length, 3);
  return Buffer.concat([head, body]);
}

function sni(name: string, type = 0): number[] {
  const entry = [type, 0, name.length, ...Buffer.from(name)];
  const list = [0, entry.length, ...entry];
  return [0, 0, 0, list.length, ...list];
}

function hello(extensions: readonly number[]): Buffer {
  const body = [3, 3, ...Buffer.alloc(32), 0, 0, 2, 0x13, 1, 1, 0, 0, extensions.length, ...extensions];
  return record(Buffer.of(1, 0, 0, body.length, ...body));
}
