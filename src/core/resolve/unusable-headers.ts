/** Headers that frame or route a message: a credential in one of them would break the request, a condition would judge the wrong thing. */
export const UNUSABLE_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'keep-alive',
  'proxy-connection',
]);
