import type { PublishedPort, ResourceLimits } from '../bottle.ts';
import { DEFAULT_GATE_RULES, type GateRules } from '../gate-rules.ts';
import { parsePublishedPort } from '../published-port.ts';
import type { SetWish } from './egress-sets-schema.ts';
import type { Settings } from './schema.ts';

/** Settings with every default filled in. */
export interface EffectiveSettings
  extends Omit<Settings, 'limits' | 'unenforcedLimits' | 'sudo' | 'ports' | 'env' | 'egress' | 'models' | 'git'> {
  readonly limits: ResourceLimits;
  readonly unenforcedLimits: NonNullable<Settings['unenforcedLimits']>;
  readonly sudo: boolean;
  readonly ports: readonly PublishedPort[];
  readonly env: Readonly<Record<string, string>>;
  readonly egress: NonNullable<Settings['egress']>;
  readonly models: NonNullable<Settings['models']>;
  readonly git: GitSettingsInEffect;
}

export interface GitSettingsInEffect {
  readonly class: 'gatekeeping' | 'online';
  /** Globs of branches that go to the upstream by themselves */
  readonly forward: readonly string[];
  readonly taskKeys: boolean;
  readonly rules: GateRules;
}

export type SettingsOrigin = 'default' | 'global' | 'project';

export interface MergedSettings {
  readonly settings: EffectiveSettings;
  /** Dotted name of a setting → who said so last */
  readonly origins: Readonly<Record<string, SettingsOrigin>>;
}

/** Enough for a build and a test run; a project that needs more says so. */
export const DEFAULT_LIMITS: ResourceLimits = { memoryMiB: 4096, cpus: 2, pids: 1024, files: 16_384 };

/** The project's settings over the global ones. Mappings merge by key; routes and sets of `egress` of both apply; other lists replace. */
export function mergeSettings(global: Settings, project: Settings): MergedSettings {
  const settings: EffectiveSettings = {
    ...global,
    ...project,
    limits: { ...DEFAULT_LIMITS, ...defined(global.limits), ...defined(project.limits) },
    unenforcedLimits: project.unenforcedLimits ?? global.unenforcedLimits ?? [],
    sudo: project.sudo ?? global.sudo ?? false,
    ports: (project.ports ?? global.ports ?? []).flatMap((text) => parsePublishedPort(String(text)) ?? []),
    env: { ...global.env, ...project.env },
    egress: {
      routes: [...(global.egress?.routes ?? []), ...(project.egress?.routes ?? [])],
      sets: mergeSets(global.egress?.sets ?? [], project.egress?.sets ?? []),
      ...chosen('canary', global, project),
      ...chosen('upstreamProxy', global, project),
      ...chosen('upstreamCa', global, project),
    },
    models: { ...global.models, ...project.models },
    git: mergeGit(global.git, project.git),
  };
  const origins = { ...originsOf(defaultsOf(settings), 'default'), ...originsOf(global, 'global'), ...originsOf(project, 'project') };
  return { settings, origins };
}

/** The project's word, then the global one. */
function chosen<K extends 'canary' | 'upstreamProxy' | 'upstreamCa'>(
  key: K,
  global: Settings,
  project: Settings,
): Pick<NonNullable<Settings['egress']>, K> {
  const value = project.egress?.[key] ?? global.egress?.[key];
  return (value === undefined ? {} : { [key]: value }) as Pick<NonNullable<Settings['egress']>, K>;
}

/** The project's word about a set wins. */
function mergeSets(global: readonly SetWish[], project: readonly SetWish[]): SetWish[] {
  return [...global.filter(({ name }) => !project.some((own) => own.name === name)), ...project];
}

function mergeGit(global: Settings['git'] = {}, project: Settings['git'] = {}): GitSettingsInEffect {
  const { maxFileMiB, allowedPaths, ...actions } = { ...defined(global.rules), ...defined(project.rules) };
  return {
    class: project.class ?? global.class ?? 'gatekeeping',
    taskKeys: project.taskKeys ?? global.taskKeys ?? false,
    forward: project.forward ?? global.forward ?? ['terok/**'],
    rules: {
      actions: { ...DEFAULT_GATE_RULES.actions, ...actions },
      maxFileBytes: maxFileMiB === undefined ? DEFAULT_GATE_RULES.maxFileBytes : Math.floor(maxFileMiB * 1024 ** 2),
      allowedPaths: allowedPaths ?? DEFAULT_GATE_RULES.allowedPaths,
    },
  };
}

function defaultsOf(settings: EffectiveSettings): Settings {
  return { limits: settings.limits, sudo: settings.sudo, unenforcedLimits: [] };
}

function originsOf(settings: Settings, origin: SettingsOrigin): Record<string, SettingsOrigin> {
  const names = Object.entries(settings).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const isMapping = typeof value === 'object' && !Array.isArray(value);
    return isMapping ? Object.keys(value).map((key) => `${name}.${key}`) : [name];
  });
  return Object.fromEntries(names.map((name) => [name, origin]));
}

function defined<T extends object>(values: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
