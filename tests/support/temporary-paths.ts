import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { releaseCgroupNamespace } from '../../src/backends/oci/index.ts';
import { resolvePaths, type TerokPaths } from '../../src/core/index.ts';

export interface TemporaryPaths extends AsyncDisposable {
  readonly root: string;
  readonly paths: TerokPaths;
  /** What a child process needs to see the same directories */
  readonly env: Readonly<Record<string, string>>;
}

/** Directories of terok below a fresh temporary one with a short name, because sockets lie in them. */
export async function temporaryPaths(): Promise<TemporaryPaths> {
  const root = await mkdtemp(path.join(tmpdir(), 'tk-'));
  const names = ['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME'];
  const env = Object.fromEntries(names.map((name) => [`TEROK_${name}_DIR`, path.join(root, name.toLowerCase().slice(0, 3))]));
  const paths = resolvePaths(env);
  return {
    root,
    env,
    paths,
    async [Symbol.asyncDispose]() {
      // On a host with hybrid cgroups Podman leaves a mount there, which would keep the directory
      if (existsSync(path.join(paths.runtime, 'ns'))) await releaseCgroupNamespace(paths.runtime);
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
