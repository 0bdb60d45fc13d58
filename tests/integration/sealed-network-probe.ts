/*
 * Runs inside (or, as the positive control, outside) a sealed network. argv: probes as JSON; prints one outcome for each as JSON.
 * Without argv it takes a list on each line of standard input, tries the whole list at once, and prints the outcomes on one line.
 */
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import dnsPacket, { type RecordType } from 'dns-packet';

export type Probe =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly send?: string }
  | { readonly kind: 'udp'; readonly host: string; readonly port: number; readonly text: string }
  | {
      readonly kind: 'dns';
      readonly server: string;
      readonly port?: number;
      readonly name: string;
      readonly type: RecordType;
      readonly tcp?: boolean;
    };

/** `connected <what came back>`, `answered …`, or the reason why nothing did */
export type Outcome = string;

const WAIT_MS = Number(process.env['PROBE_WAIT_MS'] ?? 400);

function probeTcp({ host, port, send }: Extract<Probe, { kind: 'tcp' }>): Promise<Outcome> {
  return new Promise((resolve) => {
    let text = '';
    let connected = false;
    const socket = createConnection({ host, port }, () => {
      connected = true;
      if (send !== undefined) socket.write(send);
    });
    const done = (outcome: string): void => {
      resolve(outcome);
      socket.destroy();
    };
    socket.setTimeout(WAIT_MS, () => done(connected ? `connected ${text}` : 'no answer'));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('end', () => done(`connected ${text}`));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
}

function exchangeUdp(host: string, port: number, message: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const done = (outcome: Buffer | string): void => {
      clearTimeout(timer);
      socket.removeAllListeners('message').removeAllListeners('error');
      socket.on('error', () => undefined).close();
      resolve(outcome);
    };
    const timer = setTimeout(() => done('no answer'), WAIT_MS);
    socket.once('message', done);
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.send(message, port, host, (error) => {
      if (error !== null) done((error as NodeJS.ErrnoException).code ?? error.message);
    });
  });
}

async function probeUdp({ host, port, text }: Extract<Probe, { kind: 'udp' }>): Promise<Outcome> {
  const reply = await exchangeUdp(host, port, Buffer.from(text));
  return typeof reply === 'string' ? reply : `answered ${reply.toString('latin1')}`;
}

function exchangeTcp(host: string, port: number, message: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const framed = dnsPacket.streamEncode(dnsPacket.decode(message));
    const socket = createConnection({ host, port }, () => socket.write(framed));
    socket.setTimeout(WAIT_MS, () => resolve('no answer'));
    socket.once('data', (chunk: Buffer) => {
      resolve(chunk.subarray(2));
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('closed'));
  });
}

async function probeDns({ server, port = 53, name, type, tcp }: Extract<Probe, { kind: 'dns' }>): Promise<Outcome> {
  const query = dnsPacket.encode({ type: 'query', id: 7, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name }] });
  const reply = await (tcp === true ? exchangeTcp : exchangeUdp)(server, port, query);
  if (typeof reply === 'string') return reply;
  const { answers, flags } = dnsPacket.decode(reply);
  const code = (flags ?? 0) & 15;
  const data = (answers ?? []).map((answer) => ('data' in answer && typeof answer.data === 'string' ? answer.data : ''));
  return code === 3 ? 'NXDOMAIN' : `answered ${data.join(' ')}`.trim();
}

function tryOne(probe: Probe): Promise<Outcome> {
  if (probe.kind === 'tcp') return probeTcp(probe);
  return probe.kind === 'udp' ? probeUdp(probe) : probeDns(probe);
}

const [given] = process.argv.slice(2);
if (given === undefined) {
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await Promise.all((JSON.parse(line) as Probe[]).map(tryOne)))}\n`);
} else {
  const outcomes: Outcome[] = [];
  for (const probe of JSON.parse(given) as Probe[]) outcomes.push(await tryOne(probe));
  process.stdout.write(JSON.stringify(outcomes));
}
process.exit(0);
