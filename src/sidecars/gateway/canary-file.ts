import path from 'node:path';

/** Says that a bottle sent its canary; below the bottle's state directory. */
export function canaryMarkFile(stateDir: string): string {
  return path.join(stateDir, 'canary-seen.json');
}
