import { createKrunBackend } from '../../src/backends/krun/index.ts';
import { resolvePaths } from '../../src/core/index.ts';

/** Can krun make machines on this host, so that their tests need no lab? Its probe starts one. */
export async function canRunMachines(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const { state } = await createKrunBackend({ paths: resolvePaths(env), env }).probe();
  return state === 'available';
}
