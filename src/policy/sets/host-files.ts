/*
 * Scope: reading the configuration that package managers of this machine's user have. Out of scope: running them, and any file below a
 * project, which a stranger may have written. Fail-safe direction: a file that is too large or is none counts as absent, so that a set
 * opens nothing because of it.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { systemCodeOf } from '../../core/index.ts';

/** Where the files of a user and of the machine are. */
export interface HostFiles {
  readonly home: string;
  /** `/etc` but in tests */
  readonly etc: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Hand-written files; a token or two and some addresses. */
const MAX_BYTES = 256 * 1024;
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'ELOOP', 'ENXIO']);

export function hostFiles(env: NodeJS.ProcessEnv): HostFiles {
  return { home: env.HOME ?? homedir(), etc: '/etc', env };
}

/** Undefined where there is no readable regular file of a usual size. */
export async function readHostFile(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const info = await handle.stat();
      return info.isFile() && info.size <= MAX_BYTES ? await handle.readFile('utf8') : undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (ABSENT.has(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** `key = value` lines, as in `.npmrc`, `go/env` and INI files; keys under `[section]` become `section.key`. */
export function parseKeyValues(text: string): readonly (readonly [key: string, value: string])[] {
  const found: [string, string][] = [];
  let section = '';
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[([^\]]+)\]\s*(?:[#;].*)?$/.exec(line) ?? [];
    if (name !== undefined) section = `${name.trim()}.`;
    const [, key, value] = /^\s*([^#;=\s[][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) found.push([section + key, unquote(value)]);
    // A continued value of INI stands indented below its key
    else if (/^\s+[^#;\s]/.test(line) && found.length > 0) found.push([found.at(-1)?.[0] ?? '', line.trim()]);
  }
  return found;
}

function unquote(value: string): string {
  const [, inner] = /^"([^"]*)"\s*(?:#.*)?$/.exec(value) ?? /^'([^']*)'\s*(?:#.*)?$/.exec(value) ?? [];
  return inner ?? value;
}

/** `${NAME}` and `${NAME-default}` as npm and Maven replace them; a name that is not set stays as it is. */
export function expand(text: string, env: NodeJS.ProcessEnv): string {
  return text.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)(\?)?\}/g,
    (whole, name: string, optional?: string) => env[name] ?? (optional ? '' : whole),
  );
}
