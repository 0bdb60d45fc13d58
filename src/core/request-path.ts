/*
 * Scope: one reading of a request target, from which both the decision and the forwarded request are made.
 * Out of scope: the query, which is forwarded as it came. Fail-safe direction: a path that two servers could read differently is
 * refused, never repaired.
 */

export type PathProblem =
  | 'not-absolute'
  | 'bad-character'
  | 'bad-escape'
  | 'encoded-dot'
  | 'double-encoding'
  | 'backslash'
  | 'empty-segment'
  | 'path-parameter-dot'
  | 'too-long';

export type RequestPath =
  | {
      readonly ok: true;
      /** Path without query, normalised */
      readonly path: string;
      /** Path with query: exactly what goes upstream */
      readonly target: string;
    }
  | { readonly ok: false; readonly problem: PathProblem };

/** Longer than any link that common servers accept (8 KiB), below the header limit. */
const MAX_TARGET_LENGTH = 32_768;
const ALLOWED = /^[\x21-\x7e]+$/;

/**
 * Normalises an origin-form request target: escapes in upper case, needless escapes decoded, dot segments removed.
 *
 * @example
 * normalisePath('/v1/../v2/%7eme?x=1'); // { ok: true, path: '/v2/~me', target: '/v2/~me?x=1' }
 */
export function normalisePath(target: string): RequestPath {
  const plain = plainPath(target);
  if (!plain.ok) return plain;
  if (/%(?![0-9a-f]{2})/i.test(plain.path)) return refuse('bad-escape');
  const canonical = plain.path.includes('%') ? canonicalEscapes(plain.path) : plain.path;
  const problem = ambiguity(canonical);
  if (problem !== undefined) return refuse(problem);
  const path = removeDotSegments(canonical);
  return { ok: true, path, target: path + target.slice(plain.path.length) };
}

/**
 * For a host without any path rule: the target goes upstream as it came, so that nothing legitimate breaks; it only has to be
 * one clean token.
 */
export function plainPath(target: string): RequestPath {
  if (target.length > MAX_TARGET_LENGTH) return refuse('too-long');
  if (!target.startsWith('/')) return refuse('not-absolute');
  if (!ALLOWED.test(target) || target.includes('#')) return refuse('bad-character');
  const at = target.indexOf('?');
  return { ok: true, path: at === -1 ? target : target.slice(0, at), target };
}

/**
 * Does a route's path prefix cover a normalised path? A prefix ends at a segment: `/v1` covers `/v1` and `/v1/x`, not `/v10`. A `*` in
 * it stands for exactly one segment that is not empty.
 */
export function pathPrefixCovers(prefix: string, path: string): boolean {
  if (prefix.includes('*')) return segmentsCover(prefix.split('/'), path.split('/'));
  if (!path.startsWith(prefix)) return false;
  return prefix.endsWith('/') || path.length === prefix.length || path[prefix.length] === '/';
}

function segmentsCover(prefix: readonly string[], path: readonly string[]): boolean {
  const open = prefix.at(-1) === '';
  const wanted = open ? prefix.slice(0, -1) : prefix;
  if (path.length < wanted.length + (open ? 1 : 0)) return false;
  return wanted.every((segment, at) => (segment === '*' ? path[at] !== '' : segment === path[at]));
}

function ambiguity(path: string): PathProblem | undefined {
  if (path.includes('//')) return 'empty-segment';
  if (path.includes('\\') || path.includes('%5C')) return 'backslash';
  if (path.includes('%')) {
    if (path.includes('%2E')) return 'encoded-dot';
    if (/%25[0-9A-Fa-f]{2}/.test(path)) return 'double-encoding';
    if (/%(?:[01][0-9A-F]|7F)/.test(path)) return 'bad-character';
    if (!isUtf8(path)) return 'bad-escape';
    if (hidesDotSegment(path)) return 'encoded-dot';
  }
  return /;\.|;[^/]*\.\.|\/\.{1,2};/.test(path.replaceAll('%3B', ';').replaceAll('%2F', '/')) ? 'path-parameter-dot' : undefined;
}

/** Other bytes are read in several ways; some servers take an overlong form such as `%C0%AE` for a dot. */
function isUtf8(path: string): boolean {
  try {
    // the value is used, because a bundler drops a call that seems to have no effect
    return decodeURIComponent(path).length > 0;
  } catch {
    // URIError is the answer, not a fault
    return false;
  }
}

/**
 * An encoded slash is a separator for some servers, and an encoded space at the end of a segment is nothing: no segment may be a dot
 * segment under any of these readings, nor empty.
 */
function hidesDotSegment(path: string): boolean {
  if (!/%2[0F]/.test(path)) return false;
  const decoded = path.replaceAll('%20', '').replaceAll('%2F', '/');
  return (path.includes('%2F') && decoded.includes('//')) || decoded.split('/').some((segment) => segment === '.' || segment === '..');
}

function canonicalEscapes(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9_~-]/.test(character) ? character : escape.toUpperCase();
  });
}

function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const segments = path.split('/').slice(1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  const last = segments.at(-1);
  if (last === '.' || last === '..') kept.push('');
  return `/${kept.join('/')}`;
}

function refuse(problem: PathProblem): RequestPath {
  return { ok: false, problem };
}
