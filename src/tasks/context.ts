import { type RuntimeBackend, resolvePaths, type TerokPaths } from '../core/index.ts';
import { openBackend } from './backends.ts';

/** What every operation of the task layer works with. */
export interface TaskContext {
  readonly env: NodeJS.ProcessEnv;
  readonly paths: TerokPaths;
  /** Loads a backend once per context */
  backend(name: string): Promise<RuntimeBackend>;
}

export function createContext(env: NodeJS.ProcessEnv): TaskContext {
  const paths = resolvePaths(env);
  const loaded = new Map<string, Promise<RuntimeBackend>>();
  return {
    env,
    paths,
    backend(name) {
      const backend = loaded.get(name) ?? openBackend(name, { paths, env });
      loaded.set(name, backend);
      return backend;
    },
  };
}
