/*
 * Scope: the DNS of a bottle. Every answer is made here; no query is ever sent anywhere, so a name cannot carry data out.
 * Fail-safe direction: what cannot be parsed is dropped, what is not allowed does not exist (NXDOMAIN).
 */
import dnsPacket, { type Packet, type Question } from 'dns-packet';
import type { DenialLog } from './denial-log.ts';
import { SEALED } from './gateway-plan.ts';
import type { SyntheticNames } from './synthetic-names.ts';
import { TokenBucket } from './token-bucket.ts';

/** A query has one name of at most 255 bytes, a header and an OPT record. */
export const MAX_QUERY_BYTES = 512;
/** Short, so that a changed policy is noticed soon; the gateway answers without delay. */
const TTL_SECONDS = 30;
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const RCODE = { noError: 0, nameError: 3, notImplemented: 4 } as const;

export interface DnsPolicy {
  nameAllowed(name: string): boolean;
  readonly hasGate: boolean;
}

export class DnsResponder {
  readonly #policy: DnsPolicy;
  readonly #names: SyntheticNames;
  readonly #denials: DenialLog;
  /** More than any build tool asks; above it the answers stop, not the gateway */
  readonly #bucket = new TokenBucket(1_000, 2_000);

  constructor(policy: DnsPolicy, names: SyntheticNames, denials: DenialLog) {
    this.#policy = policy;
    this.#names = names;
    this.#denials = denials;
  }

  /** The answer to one message; undefined where it is to be dropped. */
  answer(message: Buffer): Buffer | undefined {
    if (message.length > MAX_QUERY_BYTES || !this.#bucket.take()) return undefined;
    const query = parseQuery(message);
    if (query === undefined) return undefined;
    if (query.question.class !== 'IN') return encode(query, RCODE.notImplemented);
    const name = query.question.name.toLowerCase();
    const address = this.#addressOf(name);
    if (address === undefined) {
      this.#denials.deny({ kind: 'dns', target: name.slice(0, 253), reason: `no route allows the name (${query.question.type})` });
      return encode(query, RCODE.nameError);
    }
    return encode(query, RCODE.noError, query.question.type === 'A' ? address : undefined);
  }

  #addressOf(name: string): string | undefined {
    if (name === SEALED.gateName) return this.#policy.hasGate ? SEALED.gateAddress : undefined;
    return NAME.test(name) && this.#policy.nameAllowed(name) ? this.#names.addressOf(name) : undefined;
  }
}

interface Query {
  readonly packet: Packet;
  readonly question: Question;
}

function parseQuery(message: Buffer): Query | undefined {
  try {
    const packet = dnsPacket.decode(message);
    const [question, ...more] = packet.questions ?? [];
    if (packet.type !== 'query' || question === undefined || more.length > 0 || (packet.flags ?? 0) & 0x7800) return undefined;
    return { packet, question };
  } catch {
    // dns-packet throws whatever it stumbles over (RangeError, TypeError, Error) on bytes that are no DNS message
    return undefined;
  }
}

function encode({ packet, question }: Query, code: number, address?: string): Buffer {
  const recursion = (packet.flags ?? 0) & dnsPacket.RECURSION_DESIRED;
  return dnsPacket.encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: recursion | dnsPacket.RECURSION_AVAILABLE | dnsPacket.AUTHORITATIVE_ANSWER | code,
    questions: [question],
    answers: address === undefined ? [] : [{ type: 'A', name: question.name, ttl: TTL_SECONDS, data: address }],
  });
}
