/*
 * Scope: what a fetch names by its id. git serves whatever it has (protocol v2 asks for no branch), so the gate looks first.
 * Out of scope: what a branch of the task holds. Fail-safe direction: a request that cannot be read as git reads it is refused.
 */
import { TerokError } from '../../core/errors.ts';
import type { ObjectFormat } from '../../core/host-git.ts';
import { hiddenObjects } from './visible-objects.ts';

/** Letters of an object id in `want`, `have` and `shallow`; git reads as many as its format has, whatever follows */
const NAMED = /^(want|have|shallow) ([0-9a-fA-F]{40,64})/;
const MAX_NAMED = 'shallow '.length + 64;

export interface Fetch {
  readonly repository: string;
  readonly format: ObjectFormat;
  /** Of a request to upload-pack, uncompressed */
  readonly body: Buffer;
  readonly signal?: AbortSignal;
}

interface Packet {
  readonly bytes: Buffer;
  readonly word?: string;
  readonly id?: string;
}

/**
 * The body of a fetch without what the bottle says to have and does not see: an answer would be made of it.
 * Throws REFUSED where it wants what it does not see.
 */
export async function checkFetch({ repository, format, body, signal }: Fetch): Promise<Buffer> {
  const packets = readPackets(body, format === 'sha1' ? 40 : 64);
  const ids = packets.flatMap(({ id }) => id ?? []);
  if (ids.length === 0) return body;
  const hidden = await hiddenObjects(repository, ids, signal);
  const wanted = packets.find(({ word, id = '' }) => word === 'want' && hidden.has(id));
  if (wanted !== undefined) throw refused(403, `no branch that this task sees has the object ${wanted.id?.slice(0, 12)}`);
  return Buffer.concat(packets.filter(({ id = '' }) => !hidden.has(id)).map(({ bytes }) => bytes));
}

/** As `pkt-line`: four digits with the length of all, or one of three marks. */
function readPackets(body: Buffer, idLength: number): readonly Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < body.length; ) {
    const digits = body.toString('latin1', at, at + 4);
    const announced = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : -1;
    const length = announced >= 0 && announced <= 2 ? 4 : announced;
    if (length < 4 || at + length > body.length) throw refused(400, 'the request is not made of packets as git makes them');
    const bytes = body.subarray(at, at + length);
    packets.push({ bytes, ...namedBy(bytes.toString('latin1', 4, 4 + MAX_NAMED), idLength) });
    at += length;
  }
  return packets;
}

function namedBy(text: string, idLength: number): Pick<Packet, 'word' | 'id'> {
  const [, word, digits] = NAMED.exec(text) ?? [];
  if (word === undefined || digits === undefined) {
    if (/^want\b/.test(text)) throw refused(400, 'the request wants something that is no object id');
    return {};
  }
  return { word, id: digits.slice(0, idLength).toLowerCase() };
}

function refused(status: number, message: string): TerokError {
  return new TerokError('REFUSED', message, { context: { status } });
}
