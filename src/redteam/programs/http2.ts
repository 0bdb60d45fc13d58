/*
 * An HTTP/2 client that says what it wants. Standard input: a connection and its requests as JSON, sent at once on one connection;
 * prints one answer for each.
 */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';

export interface Http2Try {
  /** Dialled */
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  readonly requests: readonly { readonly headers: Readonly<Record<string, string | readonly string[]>>; readonly body?: string }[];
}

export interface Http2Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

const WAIT_MS = 3_000;

function ask(session: ClientHttp2Session, { headers, body }: Http2Try['requests'][number]): Promise<Http2Answer> {
  return new Promise((resolve) => {
    let seen: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
    let received = '';
    const done = (error?: string): void =>
      resolve({ status: seen[':status'] ?? 0, text: received, headers: { ...seen }, ...(error === undefined ? {} : { error }) });
    try {
      const stream = session.request(headers as Record<string, string>, { endStream: body === undefined });
      stream.on('response', (given) => (seen = given)).on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
      stream.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message)).on('close', () => done());
      stream.setTimeout(WAIT_MS, () => stream.close());
      if (body !== undefined) stream.end(body);
    } catch (error) {
      done(String(error));
    }
  });
}

async function run({ host, port, serverName, requests }: Http2Try): Promise<readonly Http2Answer[]> {
  const socket = connectTls({ host, port, servername: serverName, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined });
  const failed = await new Promise<Error | undefined>((resolve) => {
    socket.once('secureConnect', () => resolve(undefined)).once('error', resolve);
  });
  if (failed !== undefined) return requests.map(() => ({ status: 0, text: '', headers: {}, error: failed.message }));
  const session = connect(`https://${serverName}:${port}`, { createConnection: () => socket });
  session.on('error', () => undefined);
  const answers = await Promise.all(requests.map((request) => ask(session, request)));
  session.destroy();
  return answers;
}

const answers = await run(JSON.parse(await text(process.stdin)) as Http2Try);
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
