import { z } from 'zod';
import { TerokError } from '../errors.ts';
import { SECRET_NAME } from '../secret-name.ts';
import type { UpstreamProxy } from '../upstream-proxy.ts';

/** The variables of this machine say which proxy. */
const FROM_ENVIRONMENT = 'environment';

const directName = z
  .string()
  .regex(/^(?:\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)$/, 'expected a name, `*.suffix` or `*`')
  .max(253);

export const upstreamProxySchema = z.strictObject({
  url: z
    .string()
    .refine((text) => text === FROM_ENVIRONMENT || isProxyUrl(text), {
      error: 'expected `http://name:port`, `socks5://name:port` (without a user, which belongs into `secret`) or `environment`',
    })
    .describe('The proxy, or `environment` for what HTTPS_PROXY, ALL_PROXY and NO_PROXY of this machine say'),
  secret: z
    .string()
    .regex(SECRET_NAME, 'expected the name of a secret')
    .optional()
    .describe('Secret `user:password` of the vault with which the proxy is asked'),
  noProxy: z.array(directName).max(200).default([]).describe('Names that are reached without the proxy'),
  remoteNames: z
    .boolean()
    .default(false)
    .describe('Lets the proxy resolve names that this machine cannot; what addresses they have is then not checked'),
});

/** What a gateway is told. @throws INVALID_CONFIG where a variable of the environment is no address of a proxy */
export function resolveUpstreamProxy(
  settings: z.output<typeof upstreamProxySchema> | undefined,
  env: NodeJS.ProcessEnv,
): UpstreamProxy | undefined {
  if (settings === undefined) return undefined;
  const { url, secret, noProxy, remoteNames } = settings;
  const common = { ...(secret === undefined ? {} : { secret }), remoteNames };
  if (url !== FROM_ENVIRONMENT) return { url, noProxy, ...common };
  const read = (name: string): string | undefined => env[name.toLowerCase()] ?? env[name];
  const found = read('HTTPS_PROXY') ?? read('ALL_PROXY');
  if (found === undefined || found === '') return undefined;
  const withScheme = /^[a-z0-9]+:\/\//i.test(found) ? found : `http://${found}`;
  const normal = withScheme.replace(/^socks5h?:/i, 'socks5:').replace(/\/$/, '');
  if (!isProxyUrl(normal)) {
    throw new TerokError('INVALID_CONFIG', 'HTTPS_PROXY or ALL_PROXY of this machine is no address of a proxy that terok can use.', {
      hint: 'Use `http://name:port` or `socks5://name:port`; a user and password belong into `egress.upstreamProxy.secret`.',
    });
  }
  return { url: normal, noProxy: [...noProxy, ...namesOf(read('NO_PROXY') ?? '')], ...common };
}

/** `.suffix` covers what is below it; addresses are left out, because a bottle names hosts alone. */
function namesOf(list: string): readonly string[] {
  return list
    .split(/[\s,]+/)
    .map((entry) => entry.toLowerCase().replace(/^\./, '*.'))
    .filter((entry) => directName.safeParse(entry).success);
}

function isProxyUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^(?:http|socks5):\/\/[^/?#@]+$/.test(text) && url.hostname !== '' && (url.port !== '' || text.endsWith(':80'));
}
