/*
 * Scope: which addresses can be the upstream of a project. Out of scope: whether anything is there.
 * Fail-safe direction: a short list of schemes; an address with a credential, an option or an unusual character is refused.
 */
import { TerokError } from '../core/index.ts';

export interface UpstreamUrl {
  readonly kind: 'ssh' | 'https';
  /** As git is given it: `ssh://git@host/path` or `https://host/path` */
  readonly url: string;
  readonly host: string;
  readonly port: number | undefined;
  /** Without slashes at its ends and without `.git`: `owner/name` */
  readonly path: string;
}

const HOST = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i;
const PATH = /^[\w~][\w.~/-]*$/;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+)$/;

/** Throws USAGE with the reason. Plain HTTP is for loopback alone. */
export function parseUpstreamUrl(text: string): UpstreamUrl {
  if (!/^[\x21-\x7e]{1,2000}$/.test(text)) throw refused(text, 'it has characters that no address has');
  const scp = /^(?:([\w.-]+)@)?([\w.-]+):(?!\/\/)(.+)$/.exec(text);
  const url = URL.parse(scp === null ? text : `ssh://${scp[1] ?? 'git'}@${scp[2]}/${scp[3]}`);
  if (url === null) throw refused(text, 'it is no URL');
  const { protocol, hostname, username, password, search, hash } = url;
  if (protocol !== 'ssh:' && protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname)))
    throw refused(text, 'only `ssh://`, `git@host:path` and `https://` are served');
  if (password !== '' || (protocol !== 'ssh:' && username !== '')) throw refused(text, 'a credential does not belong into an address');
  if (search !== '' || hash !== '' || !HOST.test(hostname)) throw refused(text, 'it has parts that no repository has');
  const path = url.pathname.replaceAll(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  if (!PATH.test(path) || path.split('/').some((part) => part === '..' || part === '.')) throw refused(text, 'its path is unusual');
  if (username !== '' && !/^[\w][\w.-]*$/.test(username)) throw refused(text, 'its user name is unusual');
  const port = url.port === '' ? undefined : Number(url.port);
  const authority = `${hostname}${port === undefined ? '' : `:${port}`}`;
  const address =
    protocol === 'ssh:'
      ? `ssh://${username === '' ? 'git' : username}@${authority}${url.pathname}`
      : `${protocol}//${authority}${url.pathname}`;
  return { kind: protocol === 'ssh:' ? 'ssh' : 'https', url: address, host: hostname, port, path };
}

function refused(text: string, why: string): TerokError {
  return new TerokError('USAGE', `${JSON.stringify(text.slice(0, 200))} cannot be the upstream: ${why}.`, {
    hint: 'For example `git@git.example.com:team/shop.git` or `https://git.example.com/team/shop.git`.',
  });
}
