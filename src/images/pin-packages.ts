import { messageOf, type TerokPaths } from '../core/index.ts';
import { type ImageAgent, toolPackages } from './agent-layer.ts';
import { type Architecture, type PackageVersion, resolveVersion } from './npm-packages.ts';
import { pinned } from './pins.ts';
import type { OnImageProgress } from './progress.ts';

export interface PinPackagesOptions {
  readonly paths: TerokPaths;
  readonly agents: readonly ImageAgent[];
  readonly architecture: Architecture;
  /** Asks the registry again, whatever is pinned */
  readonly refresh: boolean;
  readonly progress: OnImageProgress;
  readonly signal?: AbortSignal;
}

/** How long a version that `latest` stood for is kept before the registry is asked again: 7 days. */
const PIN_AGE_MS = 7 * 24 * 60 * 60_000;

/** Exact versions of all packages of an agent layer, asked for once and then kept. */
export async function pinPackages(options: PinPackagesOptions): Promise<readonly PackageVersion[]> {
  const wanted = [
    ...toolPackages(options.architecture),
    ...options.agents.map(({ install }) => ({ name: install.npm.package, wanted: install.npm.version })),
  ];
  return await Promise.all(wanted.map(async ({ name, wanted: version }) => ({ name, version: await pinVersion(options, name, version) })));
}

async function pinVersion({ paths, refresh, progress, signal }: PinPackagesOptions, name: string, wanted: string): Promise<string> {
  const onStale = (error: unknown): void =>
    progress({ kind: 'step', layer: 'l1', message: `keeping the known version of \`${name}\`: ${messageOf(error)}` });
  return await pinned(paths, `npm:${name}@${wanted}`, () => resolveVersion(name, wanted, signal), {
    maxAgeMs: PIN_AGE_MS,
    refresh,
    onStale,
  });
}
