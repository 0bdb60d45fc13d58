/*
 * Scope: names and versions in lock files of several package managers, by the lines that carry them. Input: hostile text of bounded
 * size. Out of scope: whether a lock file is valid. Fail-safe direction: what has no known shape throws, and the caller says so.
 */
import { entriesOf, isRecord, type JsonRecord, parseRecord, textOf } from './json-value.ts';
import type { LockedPackage } from './package-changes.ts';

/** Version 1 of npm's format nests packages; deeper than any tree of an honest project */
const MAX_DEPTH = 100;

/** `package-lock.json` of all versions, and `composer.lock`. */
export function readNpmLock(text: string): readonly LockedPackage[] {
  const lock = parseRecord(text);
  const flat = entriesOf(lock, 'packages').flatMap(([place, entry]) => (place === '' ? [] : toLocked(nameOfPlace(place), entry)));
  const lists = ['packages', 'packages-dev'].flatMap((field) => (Array.isArray(lock[field]) ? (lock[field] as unknown[]) : []));
  const listed = lists.flatMap((entry) => (isRecord(entry) ? toLocked(textOf(entry['name']), entry) : []));
  return [...flat, ...listed, ...nested(lock, 0)];
}

function nameOfPlace(place: string): string {
  const at = place.lastIndexOf('node_modules/');
  return at === -1 ? place : place.slice(at + 'node_modules/'.length);
}

function nested(record: JsonRecord, depth: number): readonly LockedPackage[] {
  if (depth > MAX_DEPTH) throw new Error(`it nests more than ${MAX_DEPTH} packages`);
  return entriesOf(record, 'dependencies').flatMap(([name, entry]) =>
    isRecord(entry) && 'version' in entry ? [...toLocked(name, entry), ...nested(entry, depth + 1)] : [],
  );
}

function toLocked(name: string, entry: unknown): LockedPackage[] {
  if (!isRecord(entry)) return [];
  const notes = [
    entry['hasInstallScript'] === true ? 'runs an install script' : '',
    sourceOf(entry['resolved']),
    entry['link'] === true ? 'a link' : '',
  ];
  return [{ name, version: textOf(entry['version'] ?? 'without a version'), note: notes.filter((note) => note !== '').join(', ') }];
}

/** Which registry is the right one is not for a lock file to say, so the host is always shown. */
function sourceOf(resolved: unknown): string {
  if (typeof resolved !== 'string' || !URL.canParse(resolved)) return '';
  const { protocol, host } = new URL(resolved);
  return `from ${protocol === 'https:' ? host : resolved}`;
}

/** `yarn.lock`, both formats. */
export function readYarnLock(text: string): readonly LockedPackage[] {
  let name: string | undefined;
  return text.split('\n').flatMap((line) => {
    if (/^\S/.test(line)) name = /^"?(@?[^@\s"]+)@/.exec(line)?.[1];
    const version = /^\s+version:? "?([^"\s]+)/.exec(line)?.[1];
    return name === undefined || version === undefined ? [] : [{ name, version }];
  });
}

/** `pnpm-lock.yaml`: keys like `/name@1.0.0:` or `name@1.0.0(peer):` */
export function readPnpmLock(text: string): readonly LockedPackage[] {
  return matchAll(text, /^ {2}'?\/?(@?[^@\s'(]+)@([^('\s:]+)[^\n]*:[^\S\n]*$/gm);
}

/** `Cargo.lock`, `poetry.lock`, `uv.lock`: tables `[[package]]`. */
export function readCargoLock(text: string): readonly LockedPackage[] {
  return text
    .split(/^\[\[package\]\]\s*$/m)
    .slice(1)
    .flatMap((table) => {
      const field = (name: string): string | undefined => new RegExp(`^${name} = "([^"]*)"`, 'm').exec(table)?.[1];
      const [name, version, source] = [field('name'), field('version'), field('source')];
      const usual = source === undefined || source === 'registry+https://github.com/rust-lang/crates.io-index';
      return name === undefined ? [] : [{ name, version: version ?? 'without a version', ...(usual ? {} : { note: `from ${source}` }) }];
    });
}

/** `Gemfile.lock`: four spaces, name, version in parentheses. */
export function readRubyLock(text: string): readonly LockedPackage[] {
  return matchAll(text, /^ {4}([^\s(]+) \(([^)]+)\)$/gm);
}

/** `go.sum`: module, version, hash. */
export function readGoSum(text: string): readonly LockedPackage[] {
  return matchAll(text, /^(\S+) (v\S+?)(?:\/go\.mod)? h1:/gm);
}

/** `requirements.txt`; options such as an index are entries of their own. */
export function readRequirements(text: string): readonly LockedPackage[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const plain = line.replace(/(^|\s)#.*$/, '').trim();
    if (plain === '') return [];
    const [, name, rest = ''] = /^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(.*)$/.exec(plain) ?? [];
    return [{ name: name ?? plain, version: name === undefined ? '' : rest.trim() || 'any version' }];
  });
}

function matchAll(text: string, pattern: RegExp): readonly LockedPackage[] {
  return [...text.matchAll(pattern)].map(([, name = '', version = '']) => ({ name, version }));
}
