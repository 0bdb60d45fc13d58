import type { Route } from '../../core/egress-policy.ts';
import { type Denied, deny } from './decide.ts';

/** Answers that go on for as long as the server likes. */
const STREAMS =
  /^\s*(?:text\/event-stream|multipart\/x-mixed-replace|application\/(?:x-ndjson|stream\+json|grpc(?:[-+][a-z-]+)?))\s*(?:;|$)/i;

/** Why an answer of this type is not passed on, otherwise undefined. */
export function streamRefusal({ name, streaming }: Route, contentType: string | undefined): Denied | undefined {
  if (streaming !== false || contentType === undefined || !STREAMS.test(contentType)) return undefined;
  return deny('streaming-not-allowed', `the route \`${name}\` allows no event stream`, 'Ask for an answer that ends.');
}
