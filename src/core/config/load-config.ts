import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf, TerokError } from '../errors.ts';
import type { TerokPaths } from '../paths.ts';
import { MAX_CONFIG_BYTES, parseConfig } from './parse-config.ts';
import type { RepositoryRequests, Settings } from './schema.ts';

export const REPOSITORY_FILE = '.terok.yml';

export interface LoadedConfig<T> {
  readonly file: string;
  readonly exists: boolean;
  readonly value: T;
}

/** `<config>/config.yml`; a missing file is an empty one. */
export function loadGlobalConfig(paths: TerokPaths): Promise<LoadedConfig<Settings>> {
  return load(path.join(paths.config, 'config.yml'), loadSettingsSchema, { links: true });
}

/** `<config>/projects/<id>.yml`; a missing file is an empty one. */
export function loadProjectConfig(paths: TerokPaths, project: string): Promise<LoadedConfig<Settings>> {
  return load(projectConfigFile(paths, project), loadSettingsSchema, { links: true });
}

export function projectConfigFile(paths: TerokPaths, project: string): string {
  return path.join(paths.config, 'projects', `${project}.yml`);
}

/** The repository's own file. Its authors may be strangers: it is read without following a link, up to a fixed size. */
export function loadRepositoryRequests(directory: string): Promise<LoadedConfig<RepositoryRequests>> {
  return load(path.join(directory, REPOSITORY_FILE), async () => (await import('./schema.ts')).repositoryRequestsSchema, { links: false });
}

async function loadSettingsSchema(): Promise<Schema<Settings>> {
  return (await import('./schema.ts')).settingsSchema;
}

type Schema<T> = Parameters<typeof parseConfig<T>>[2];

/** Most directories have no configuration, and making the schema takes longer than all else here: it is loaded with the first file. */
async function load<T extends Settings | RepositoryRequests>(
  file: string,
  loadSchema: () => Promise<Schema<T>>,
  options: { readonly links: boolean },
): Promise<LoadedConfig<T>> {
  const text = await readCapped(file, options.links);
  // nothing in a configuration is required
  if (text === undefined) return { file, exists: false, value: {} as T };
  return { file, exists: true, value: parseConfig(text, file, await loadSchema()) };
}

/** Undefined where the file does not exist. Never blocks on a pipe or device, never reads more than a configuration file may have. */
async function readCapped(file: string, links: boolean): Promise<string | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | (links ? 0 : constants.O_NOFOLLOW));
    try {
      if (!(await handle.stat()).isFile()) throw unreadable(file, 'it is not a regular file');
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_CONFIG_BYTES + 1), 0, MAX_CONFIG_BYTES + 1, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw unreadable(file, 'it is a symbolic link');
    if (code === 'EACCES') throw unreadable(file, 'permission denied');
    throw error;
  }
}

function unreadable(file: string, why: string): TerokError {
  return new TerokError('INVALID_CONFIG', `\`${file}\` cannot be read as configuration: ${why}.`, { context: { file } });
}
