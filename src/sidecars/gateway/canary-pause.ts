/*
 * Scope: has a bottle that sent its canary paused, by a program of terok that runs apart from its gateway and tries again by itself.
 * Out of scope: that nothing leaves the bottle any more; the tripwire sees to that. Fail-safe direction: a pause that is not known to
 * be done is asked for again when the gateway starts.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import { canaryMarkFile, canaryPausedFile, forgetCanaryPause } from './canary-file.ts';
import type { GatewayPlan } from './gateway-plan.ts';

/** To be called when the mark has just been written. */
export function pauseBottle({ onCanary, stateDir }: GatewayPlan): void {
  forgetCanaryPause(stateDir);
  if (onCanary !== undefined) runApart(onCanary);
}

/** For a gateway that was killed between the mark and the pause; to be called when it serves, because the program asks for that. */
export function catchUpPause({ onCanary, stateDir }: GatewayPlan): void {
  if (onCanary !== undefined && existsSync(canaryMarkFile(stateDir)) && !existsSync(canaryPausedFile(stateDir))) runApart(onCanary);
}

function runApart({ main, argument }: NonNullable<GatewayPlan['onCanary']>): void {
  const child = spawn(process.execPath, [main, argument], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  child.once('error', (error) => process.emitWarning(`The bottle cannot be paused: ${messageOf(error)}`));
  child.unref();
}
