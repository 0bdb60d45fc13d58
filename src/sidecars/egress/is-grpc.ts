import { type HeaderList, headerValue } from './headers.ts';

/** Not gRPC-Web, which is made for HTTP/1.1. */
export function isGrpc({ headers }: { readonly headers: HeaderList }): boolean {
  return /^application\/grpc(?:[+;]|$)/.test(headerValue(headers, 'content-type') ?? '');
}
