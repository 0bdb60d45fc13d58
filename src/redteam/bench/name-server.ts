import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import dnsPacket from 'dns-packet';

/** Addresses of a name; called at each question, so that an answer may change */
export type NameAnswer = () => readonly string[];

/**
 * The name server of the targets, on a port of the host's loopback. It knows the names that rows give it, answers NXDOMAIN for all
 * others, and keeps every question: what reaches it has left a bottle.
 */
export class NameServer {
  readonly #socket: Socket;
  readonly #answers = new Map<string, NameAnswer>();
  readonly #questions: string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, from) => this.#answer(message, from));
    // an answer that cannot be sent is one that nobody gets
    socket.on('error', () => undefined);
  }

  static async open(): Promise<NameServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(0, '127.0.0.1', () => resolve()));
    return new NameServer(socket);
  }

  /** For example `127.0.0.1:40053` */
  get address(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
  }

  /** Names that were asked for, in order, lower-case */
  get questions(): readonly string[] {
    return this.#questions;
  }

  /** Gives a name below `.test` its addresses, IPv4 and IPv6. */
  set(name: string, answer: readonly string[] | NameAnswer): void {
    this.#answers.set(name, typeof answer === 'function' ? answer : () => answer);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve));
  }

  #answer(message: Buffer, from: RemoteInfo): void {
    const query = decode(message);
    const [question] = query?.questions ?? [];
    if (query === undefined || question === undefined) return;
    const name = question.name.toLowerCase();
    this.#questions.push(name);
    const addresses = this.#answers.get(name)?.();
    const family = question.type === 'AAAA' ? ':' : question.type === 'A' ? '.' : '';
    const found = family === '' ? [] : (addresses ?? []).filter((address) => (family === ':') === address.includes(':'));
    const answer = dnsPacket.encode({
      type: 'response',
      id: query.id ?? 0,
      flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (addresses === undefined ? NXDOMAIN : 0),
      questions: [question],
      answers: found.map((data) => ({ type: question.type as 'A', name: question.name, ttl: 0, data })),
    });
    this.#socket.send(answer, from.port, from.address);
  }
}

const NXDOMAIN = 3;

function decode(message: Buffer): ReturnType<typeof dnsPacket.decode> | undefined {
  try {
    return dnsPacket.decode(message);
  } catch {
    // Noise on the port: no question, no answer
    return undefined;
  }
}
