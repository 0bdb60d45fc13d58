import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { ownFile } from '../../core/own-file.ts';
import type { NetworkFiles } from './network-files.ts';
import { RELEASE_FLAGS } from './release-memory.ts';

/**
 * Keep the gateway small without making it slow: a young generation that is collected early, one worker for V8, and what
 * `collect-when-idle.ts` does. Only flags that Node's cache of its own modules does not depend on: with others every start compiles them.
 */
export const GATEWAY_FLAGS = ['--max-semi-space-size=2', '--v8-pool-size=1', ...RELEASE_FLAGS];
/**
 * One arena of the C library for all threads. It keeps what a stream takes and gives back all the time, until `collect-when-idle.ts` returns
 * it to the system.
 */
export const GATEWAY_ENV = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '4194304', MALLOC_MMAP_THRESHOLD_: '1048576' };

/** Starts the process that runs the gateway and runs it again when it dies; it outlives the caller. */
export function startKeeper(files: NetworkFiles, adoptPid = 0, env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const log = openSync(files.log, 'a', 0o600);
  try {
    const gateway = [process.execPath, ...GATEWAY_FLAGS, ownFile({ source: 'sidecars/gateway/main.ts', built: 'gateway.js' }), files.plan];
    const keeper = spawn('/bin/sh', [files.keeperScript, files.dir, String(adoptPid), ...gateway], {
      cwd: '/',
      detached: true,
      env: { ...env, ...GATEWAY_ENV },
      stdio: ['ignore', log, log],
    });
    keeper.unref();
    return keeper;
  } finally {
    closeSync(log);
  }
}
