/** Ways out of `/allowed` that some server or framework has read as such. */
export const PATH_TRICKS: readonly string[] = [
  '/allowed/../other',
  '/allowed/./../other',
  '/allowed/%2e%2e/other',
  '/allowed/.%2e/other',
  '/allowed/%2E./other',
  '/allowed/%252e%252e/other',
  '/allowed/..%2fother',
  '/allowed/..%5cother',
  '/allowed/..\\other',
  '/allowed\\..\\other',
  '/allowed//../../other',
  '/allowed/..;/other',
  '/allowed/..;a=b/other',
  '/allowed/;/../../other',
  '/allowed/%2e%2e;/other',
  '/allowed/..%3b/other',
  '/allowed/..%00/other',
  '/allowed/..%20/other',
  '/allowed/%c0%ae%c0%ae/other',
  '/allowed/..%09/other',
  '/allowed%2f..%2fother',
  '/allowed/x/..%2f..%2fother',
];

const MAX_DECODINGS = 3;

/** The most careless reading: decodes again and again, takes backslashes for slashes, and drops parameters and odd characters. */
export function carelessPath(target: string): string {
  let path = target.split('?')[0] ?? '';
  for (let round = 0; round < MAX_DECODINGS; round += 1)
    path = path.replace(/%c0%ae/gi, '.').replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const segments: string[] = [];
  for (const raw of path.replaceAll('\\', '/').split('/')) {
    const segment = (raw.split(';')[0] ?? '').replaceAll(/[\0\s]/g, '');
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}
