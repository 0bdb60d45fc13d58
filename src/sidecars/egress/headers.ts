import type { IncomingHttpHeaders } from 'node:http';

/** Header fields in order, names in lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** Fields that speak about one connection and never pass through, whichever way. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'alt-svc',
]);

/** Fields by which a request asks to be taken for one of another path; proxies write them, clients do not. */
const PATH_OVERRIDES = new Set(['x-original-url', 'x-rewrite-url']);

/** The list form of Node's flat `rawHeaders`; HTTP/2 pseudo headers are left out. */
export function headerList(raw: readonly string[]): HeaderList {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    if (!name.startsWith(':')) list.push([name, raw[at + 1] ?? '']);
  }
  return list;
}

/** All values of a field joined with commas; undefined where it is absent. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  let found: string | undefined;
  for (const [field, value] of headers) {
    if (field === name) found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}

/** Fields of a request that go upstream; `host` and the credential are set by the caller. */
export function forwardedHeaders(headers: HeaderList): HeaderList {
  const named = connectionFields(headerValue(headers, 'connection'));
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !PATH_OVERRIDES.has(name) && !named.has(name) && name !== 'host');
}

/** Fields of a response that go back into the bottle, flat as `writeHead` takes them. */
export function returnedHeaders(
  headers: IncomingHttpHeaders | NodeJS.Dict<string | string[]>,
  scrub: { readonly name: (name: string) => string; readonly value: (value: string) => string },
): string[] {
  const named = connectionFields(typeof headers.connection === 'string' ? headers.connection : undefined);
  const flat: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP_BY_HOP.has(name) || named.has(name)) continue;
    for (const one of typeof value === 'string' ? [value] : value) flat.push(scrub.name(name), scrub.value(one));
  }
  return flat;
}

const NO_FIELDS: ReadonlySet<string> = new Set();

function connectionFields(value: string | undefined): ReadonlySet<string> {
  return value === undefined ? NO_FIELDS : new Set(value.split(',').map((name) => name.trim().toLowerCase()));
}
