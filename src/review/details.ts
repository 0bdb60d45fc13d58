/*
 * Scope: what changed in files whose format is known: scripts, packages, addresses. Input: two hostile texts of bounded size.
 * Out of scope: meaning. Fail-safe direction: a text that cannot be read gives a line that says so.
 */
import { messageOf, renderUntrusted } from '../core/index.ts';
import { addedLines } from './added-lines.ts';
import { npmManifestChanges } from './npm-manifest.ts';
import { type PackageReader, packageChanges } from './package-changes.ts';
import { readCargoLock, readGoSum, readNpmLock, readPnpmLock, readRequirements, readRubyLock, readYarnLock } from './read-locks.ts';

/** Lines shown of one file; the rest is counted */
const MAX_LINES = 40;
const MAX_LINE_LENGTH = 200;

type Details = (before: string, after: string) => readonly string[];

const packages =
  (read: PackageReader): Details =>
  (before, after) =>
    packageChanges(read(before), read(after));

const lines =
  (pattern: RegExp): Details =>
  (before, after) =>
    addedLines(before, after).filter((line) => pattern.test(line));

const BY_KIND: Readonly<Record<string, Details>> = {
  'npm-manifest': npmManifestChanges,
  'npm-lockfile': packages(readNpmLock),
  'yarn-lockfile': packages(readYarnLock),
  'pnpm-lockfile': packages(readPnpmLock),
  'cargo-lockfile': packages(readCargoLock),
  'python-lockfile': packages(readCargoLock),
  'php-lockfile': packages(readNpmLock),
  'ruby-lockfile': packages(readRubyLock),
  'go-sums': packages(readGoSum),
  'python-requirements': packages(readRequirements),
  'git-submodules': lines(/^\s*(?:\[submodule|path|url|update|branch|ignore|fetchRecurseSubmodules)/),
  'git-attributes': lines(/\b(?:filter|diff|merge)=/),
  'npm-configuration': lines(/registry|_auth|always-auth|cafile|strict-ssl|ignore-scripts|yarnPath|plugins|node-options|script-shell/i),
  'python-index': lines(/url|index|trusted-host|cert/i),
  'github-workflow': lines(/^\s*-?\s*(?:uses|run|on|permissions|container|image|pull_request_target|workflow_run)\s*:|secrets\./),
  'gitea-workflow': lines(/^\s*-?\s*(?:uses|run|on|permissions|container|image)\s*:|secrets\./),
  container: lines(/^\s*(?:FROM|RUN|ADD|COPY|ENTRYPOINT|CMD)\b/i),
  direnv: lines(/\S/),
};

/** Safe lines about a file of that kind; none where the kind has no reader. A side that does not exist is empty. */
export function detailsOf(kind: string, before: Uint8Array, after: Uint8Array): readonly string[] {
  const details = BY_KIND[kind];
  if (details === undefined || after.length === 0) return [];
  const [old, next] = [before, after].map((side) => new TextDecoder().decode(side));
  const found = readSafely(details, old ?? '', next ?? '').map((line) => renderUntrusted(line.trim().slice(0, MAX_LINE_LENGTH)));
  return found.length > MAX_LINES ? [...found.slice(0, MAX_LINES), `… and ${found.length - MAX_LINES} more`] : found;
}

function readSafely(details: Details, before: string, after: string): readonly string[] {
  try {
    return details(before, after);
  } catch (error) {
    return [`cannot be read: ${messageOf(error)}`];
  }
}
