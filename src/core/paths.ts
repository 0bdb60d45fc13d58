import { mkdir } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import path from 'node:path';

/** Every directory that terok writes to on the host, all absolute and private (0700). */
export interface TerokPaths {
  readonly config: string;
  readonly data: string;
  readonly state: string;
  readonly cache: string;
  /** Sockets and namespaces: gone after a reboot */
  readonly runtime: string;
}

/** XDG directories, each overridden by `TEROK_CONFIG_DIR`, `TEROK_DATA_DIR`, `TEROK_STATE_DIR`, `TEROK_CACHE_DIR`, `TEROK_RUNTIME_DIR`. */
export function resolvePaths(env: NodeJS.ProcessEnv = process.env, home: string = homedir(), uid: number = userInfo().uid): TerokPaths {
  const pick = (own: string | undefined, xdg: string | undefined, fallback: string): string => {
    if (own !== undefined && own !== '') return path.resolve(own);
    return path.join(xdg !== undefined && path.isAbsolute(xdg) ? xdg : fallback, 'terok');
  };
  return {
    config: pick(env.TEROK_CONFIG_DIR, env.XDG_CONFIG_HOME, path.join(home, '.config')),
    data: pick(env.TEROK_DATA_DIR, env.XDG_DATA_HOME, path.join(home, '.local/share')),
    state: pick(env.TEROK_STATE_DIR, env.XDG_STATE_HOME, path.join(home, '.local/state')),
    cache: pick(env.TEROK_CACHE_DIR, env.XDG_CACHE_HOME, path.join(home, '.cache')),
    runtime: pick(env.TEROK_RUNTIME_DIR, env.XDG_RUNTIME_DIR, uid === 0 ? '/run' : path.join('/tmp', `terok-${uid}`)),
  };
}

/** Directories of one bottle. The runtime directory's name is short because a socket path has at most 107 bytes. */
export function bottleDirs(paths: TerokPaths, slug: string): { readonly stateDir: string; readonly runtimeDir: string } {
  return { stateDir: path.join(paths.state, 'bottles', slug), runtimeDir: path.join(paths.runtime, 'b', slug) };
}

/** Makes a directory that only its owner can enter. */
export async function makePrivateDir(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return dir;
}
