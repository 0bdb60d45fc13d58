import { rmSync } from 'node:fs';
import path from 'node:path';

/** Says that a bottle sent its canary; below the bottle's state directory. */
export function canaryMarkFile(stateDir: string): string {
  return path.join(stateDir, 'canary-seen.json');
}

/** Is there when the bottle was paused for that, or did not run any more. */
export function canaryPausedFile(stateDir: string): string {
  return path.join(stateDir, 'canary-paused');
}

/** Why the bottle could not be paused, in words. */
export function canaryProblemFile(stateDir: string): string {
  return path.join(stateDir, 'canary-pause-problem');
}

/** What is known about the pause belongs to one mark. */
export function forgetCanaryPause(stateDir: string): void {
  for (const file of [canaryPausedFile(stateDir), canaryProblemFile(stateDir)]) rmSync(file, { force: true });
}
