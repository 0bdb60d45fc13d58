import type { Outcome, Step } from '../programs/steps.ts';
import type { Target } from './target.ts';

/** The three ways from a bottle to an HTTP server, and the control's own: straight to the target, past the gateway. */
export type Way = 'transparent' | 'connect' | 'absolute' | 'outside';

/** One HTTP/1.1 request, written byte for byte. */
export interface HttpTry {
  readonly way?: Way;
  /** HTTPS by default */
  readonly secure?: boolean;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly serverName?: string;
  /** For a server whose certificate the bottle does not trust, in `passthrough` */
  readonly anyCertificate?: boolean;
  readonly headers?: readonly string[];
  readonly body?: string;
  /** In the place of everything that the fields above say */
  readonly raw?: string | readonly string[];
}

const PROXY = { host: '198.18.0.1', port: 3128 } as const;

export function httpStep(target: Pick<Target, 'name' | 'plainPort' | 'securePort'>, wanted: HttpTry = {}): Step {
  const { way = 'transparent', secure = true, serverName = target.name, anyCertificate = false } = wanted;
  const port = secure ? target.securePort : target.plainPort;
  const authority = `${target.name}:${port}`;
  const send = wanted.raw ?? requestText(way === 'absolute' ? `http://${authority}` : '', authority, wanted);
  const common = { kind: 'tcp', send, ...(secure ? { tls: { serverName, anyCertificate } } : {}) } as const;
  switch (way) {
    case 'outside':
      return { ...common, host: '127.0.0.1', port };
    case 'transparent':
      return { ...common, host: target.name, port };
    case 'connect':
      return { ...common, ...PROXY, tunnel: authority };
    case 'absolute':
      return { kind: 'tcp', send, ...PROXY };
    default:
      return way satisfies never;
  }
}

function requestText(
  prefix: string,
  authority: string,
  { method = 'GET', path = '/allowed', host = authority, headers = [], body }: HttpTry,
): string {
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`];
  return [`${method} ${prefix}${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, ...length, '', body ?? ''].join('\r\n');
}

/** Status of the first answer; 0 where there was none */
export function statusOf({ text }: Outcome): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

export function isOk(outcome: Outcome): boolean {
  return statusOf(outcome) === 200;
}

/** What is worth showing of an outcome: the first line and the reason of a refusal. */
export function summary({ text, error }: Outcome): string {
  const [line = ''] = text.split('\r\n');
  const reason = /x-terok-refused: ([a-z-]+)/i.exec(text)?.[1];
  return [line, reason, error].filter((part) => part !== undefined && part !== '').join(', ') || 'nothing';
}
