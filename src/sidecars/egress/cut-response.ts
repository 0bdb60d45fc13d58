import type { FrontResponse } from './front.ts';

/** HTTP/2 `INTERNAL_ERROR` */
const INTERNAL_ERROR = 2;

/** Ends an answer so that the client sees that it is not whole: in HTTP/2 a stream that is merely destroyed looks complete. */
export function cutResponse(response: FrontResponse): void {
  const stream = 'stream' in response ? response.stream : undefined;
  if (stream === undefined || stream.destroyed) response.destroy();
  else stream.close(INTERNAL_ERROR);
}
