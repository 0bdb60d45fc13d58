/*
 * Scope: the commands that a refusal names, for a person to paste into a shell. Out of scope: running them. Fail-safe direction: what the
 * bottle chose enters a command only in letters that no shell gives a meaning to; the rest is cut off.
 */

export interface WantedAccess {
  /** Canonical name */
  readonly host: string;
  readonly port: number;
  readonly method?: string;
  /** Normalised path */
  readonly path?: string;
}

/** Without the name of a task, for a policy that belongs to none. */
const SOME_TASK = 'TASK';
/** Deep enough to tell an API from another, short enough not to be of one request alone. */
const PATH_SEGMENTS = 3;

/** The command that allows what was refused. */
export function grantCommand(task: string | undefined, { host, port, method, path }: WantedAccess): string {
  const words = ['terok egress allow', task ?? SOME_TASK, port === 443 ? host : `${host}:${port}`];
  if (method !== undefined && /^[A-Z-]{1,32}$/.test(method)) words.push(`--method ${method}`);
  const prefix = path === undefined ? '/' : pathPrefix(path);
  if (prefix !== '/') words.push(`--path ${prefix}`);
  return words.join(' ');
}

export function grantHint(task: string | undefined, wanted: WantedAccess): string {
  return `A person can allow it on the host: \`${grantCommand(task, wanted)}\`.`;
}

export function unblockHint(task: string | undefined, host: string, port: number): string {
  return `A person has blocked it, and can allow it on the host: \`${grantCommand(task, { host, port })}\`.`;
}

/** The first segments of a path, as far as they are plain. */
export function pathPrefix(path: string): string {
  const segments = path.split('/').slice(1, 1 + PATH_SEGMENTS);
  const end = segments.findIndex((segment) => !/^[A-Za-z0-9@._-]{1,100}$/.test(segment) || segment.startsWith('-'));
  return `/${segments.slice(0, end === -1 ? undefined : end).join('/')}`;
}
