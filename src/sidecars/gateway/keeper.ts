import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { entryPoint } from '../../core/entry-point.ts';
import type { NetworkFiles } from './network-files.ts';

/** Keep the gateway small: a young generation that is collected early, no thread pool for V8 beyond one worker. */
const NODE_FLAGS = ['--max-semi-space-size=2', '--v8-pool-size=1'];

/** Starts the process that runs the gateway and runs it again when it dies; it outlives the caller. */
export function startKeeper(files: NetworkFiles, adoptPid = 0, env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const log = openSync(files.log, 'a', 0o600);
  try {
    const gateway = [process.execPath, ...NODE_FLAGS, entryPoint(import.meta.url, 'main'), files.plan];
    const keeper = spawn('/bin/sh', [files.keeperScript, files.dir, String(adoptPid), ...gateway], {
      cwd: '/',
      detached: true,
      env,
      stdio: ['ignore', log, log],
    });
    keeper.unref();
    return keeper;
  } finally {
    closeSync(log);
  }
}
