import type { CredentialCarrier } from '../credentials.ts';
import { type Denied, deny } from '../decide.ts';
import { StageRefusal } from '../stages.ts';
import { type BodyEncoding, bodyEncodings, decodedHeaders } from './body-decoding.ts';
import type { DataLossGuard, OutgoingRequest } from './guard.ts';
import type { Watch } from './watch.ts';

/** A request whose head was looked at, and how its body is. */
export interface WatchedRequest extends CredentialCarrier {
  readonly watch?: Watch;
  readonly encodings?: readonly BodyEncoding[];
}

/** Looks at the head of a request; gives it as it may go on, or why it may not. */
export async function watchRequest(
  guard: DataLossGuard,
  request: OutgoingRequest,
  carrier: CredentialCarrier,
  hasBody: boolean,
): Promise<WatchedRequest | Denied> {
  try {
    const watch = await guard.watch(request);
    if (watch === undefined) return carrier;
    const { target, headers } = await watch.head(request.target.name, carrier);
    const encodings = hasBody ? bodyEncodings(headers) : [];
    if ('reason' in encodings) return encodings;
    if (encodings.length === 0) return { target, headers, watch, encodings };
    if (request.route.inject !== undefined && 'awsSigV4' in request.route.inject)
      return deny('encoding-unknown', 'a compressed body cannot be decoded and still have its signature', 'Send it without compression.');
    return { target, headers: decodedHeaders(headers), watch, encodings };
  } catch (error) {
    if (error instanceof StageRefusal) return error.denied;
    throw error;
  }
}
