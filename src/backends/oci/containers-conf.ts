import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes } from '../../core/index.ts';

/** table → key → value as TOML text. Enough TOML to merge files key by key, as Podman does: values are carried, never interpreted. */
export type ConfTables = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Files that Podman reads by itself, later ones win. */
export function defaultConfFiles(env: NodeJS.ProcessEnv, uid: number): string[] {
  const home = env.XDG_CONFIG_HOME ?? (env.HOME === undefined ? undefined : path.join(env.HOME, '.config'));
  const user = uid === 0 || home === undefined ? [] : [path.join(home, 'containers/containers.conf')];
  return env.CONTAINERS_CONF === undefined
    ? ['/usr/share/containers/containers.conf', '/etc/containers/containers.conf', ...user]
    : [env.CONTAINERS_CONF];
}

export async function readConfFiles(files: readonly string[]): Promise<ConfTables> {
  const texts = await Promise.all(files.map((file) => ignoreCodes(['ENOENT', 'EACCES'], () => readFile(file, 'utf8'))));
  return mergeConf(...texts.map((text) => parseConf(text ?? '')));
}

export function parseConf(text: string): ConfTables {
  const tables = new Map<string, Map<string, string>>();
  let table = '';
  let pending: { key: string; value: string } | undefined;
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (pending !== undefined) pending.value += `\n${line}`;
    else if (line === '' || line.startsWith('#')) continue;
    else if (/^\[[^\]]+\]$/.test(line)) table = line.slice(1, -1).trim();
    else {
      const equals = line.indexOf('=');
      if (equals > 0) pending = { key: line.slice(0, equals).trim(), value: line.slice(equals + 1).trim() };
    }
    if (pending !== undefined && isComplete(pending.value)) {
      const entries = tables.get(table) ?? new Map<string, string>();
      tables.set(table, entries.set(pending.key, pending.value));
      pending = undefined;
    }
  }
  return tables;
}

export function mergeConf(...layers: readonly ConfTables[]): ConfTables {
  const merged = new Map<string, Map<string, string>>();
  for (const layer of layers) {
    for (const [table, entries] of layer) merged.set(table, new Map([...(merged.get(table) ?? []), ...entries]));
  }
  return merged;
}

export function formatConf(tables: ConfTables): string {
  return [...tables]
    .map(([table, entries]) => `[${table}]\n${[...entries].map(([key, value]) => `${key} = ${value}\n`).join('')}`)
    .join('\n');
}

/** Arrays may span lines; strings and comments may hold brackets. */
function isComplete(value: string): boolean {
  const bare = value.replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '').replace(/#.*$/gm, '');
  return (bare.match(/\[/g)?.length ?? 0) <= (bare.match(/\]/g)?.length ?? 0);
}
