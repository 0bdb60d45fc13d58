import { type RuntimeBackend, resolvePaths, type TerokPaths } from '../core/index.ts';
import type { TargetsPlan } from '../sidecars/gateway/index.ts';
import { openBackend } from './backends.ts';

export interface Repair {
  readonly slug: string;
  /** Goes on after the name of the task */
  readonly message: string;
}

/** What every operation of the task layer works with. */
export interface TaskContext {
  readonly env: NodeJS.ProcessEnv;
  readonly paths: TerokPaths;
  /** Servers that this process started itself and that its bottles may be allowed to reach */
  readonly targets?: TargetsPlan;
  /** Told of every task of a killed process that was repaired */
  readonly onRepair: (repair: Repair) => void;
  /** Loads a backend once per context */
  backend(name: string): Promise<RuntimeBackend>;
}

export function createContext(
  env: NodeJS.ProcessEnv,
  targets?: TargetsPlan,
  onRepair: TaskContext['onRepair'] = () => undefined,
): TaskContext {
  const paths = resolvePaths(env);
  const loaded = new Map<string, Promise<RuntimeBackend>>();
  return {
    env,
    paths,
    onRepair,
    ...(targets === undefined ? {} : { targets }),
    backend(name) {
      const backend = loaded.get(name) ?? openBackend(name, { paths, env });
      loaded.set(name, backend);
      return backend;
    },
  };
}

/** For programs of terok that a gateway starts: the same directories, whatever their environment says. */
export function contextAt(paths: TerokPaths, env: NodeJS.ProcessEnv = process.env): TaskContext {
  return createContext({
    ...env,
    TEROK_CONFIG_DIR: paths.config,
    TEROK_DATA_DIR: paths.data,
    TEROK_STATE_DIR: paths.state,
    TEROK_CACHE_DIR: paths.cache,
    TEROK_RUNTIME_DIR: paths.runtime,
  });
}
