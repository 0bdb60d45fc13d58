import { parseHostName } from '../../core/index.ts';
import { isGitSource } from './gate.ts';
import { gitText } from './git.ts';

/** More remotes than anyone has; the policy has the same limit */
const MAX_HOSTS = 100;

/** Names of the hosts that the remotes of a repository are at, as git would dial them, sorted; none for a directory without git. */
export async function remoteHosts(source: string): Promise<readonly string[]> {
  if (!(await isGitSource(source))) return [];
  const lines = (await gitText(source, ['remote', '-v'])).split('\n');
  const hosts = lines.flatMap((line) => hostOfUrl(/^[^\t]*\t(.*) \((?:fetch|push)\)/.exec(line)?.[1] ?? ''));
  return [...new Set(hosts)].sort().slice(0, MAX_HOSTS);
}

/** `scheme://user@host:port/path` or `user@host:path`; a path of this machine has no host. */
export function hostOfUrl(url: string): readonly string[] {
  const name =
    /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/]*@)?([^/:@]+)(?::\d*)?(?:\/|$)/i.exec(url)?.[1] ?? /^(?:[^@/:]+@)?([^/:@]+):(?!\/\/)/.exec(url)?.[1];
  const parsed = parseHostName((name ?? '').toLowerCase());
  return parsed.ok ? [parsed.name] : [];
}
