import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { type EgressPolicy, ignoreCodes, writePrivateFile } from '../../core/index.ts';
import type { AnswerHold, Question, TripwireMark } from '../egress/index.ts';
import { canaryMarkFile, canaryPausedFile, canaryProblemFile, forgetCanaryPause } from './canary-file.ts';
import { askGateway } from './control-client.ts';
import type { GatewayStatus } from './gateway.ts';
import { type NetworkDirs, networkFiles } from './network-files.ts';
import { recordedProcess } from './process-record.ts';
import { askStatus } from './readiness.ts';

/** For how long a yes holds; some minutes where absent. */
interface NetworkAnswer {
  readonly allow: boolean;
  readonly hold?: AnswerHold;
}

export interface SealedNetworkStatus {
  readonly holder: 'alive' | 'gone';
  readonly keeper: 'alive' | 'gone';
  readonly gateway: 'serving' | 'silent' | 'gone';
  /** What a serving gateway says about itself */
  readonly detail?: GatewayStatus;
}

/** What of a bottle's network is alive. */
export async function sealedNetworkStatus(dirs: NetworkDirs): Promise<SealedNetworkStatus> {
  const files = networkFiles(dirs);
  const alive = (file: string): 'alive' | 'gone' => (recordedProcess(file) === undefined ? 'gone' : 'alive');
  const detail = await askStatus(files);
  const gateway = detail === undefined ? (alive(files.process) === 'alive' ? 'silent' : 'gone') : 'serving';
  return { holder: alive(files.holder), keeper: alive(files.keeper), gateway, ...(detail === undefined ? {} : { detail }) };
}

/** Gives a running gateway a new policy and keeps it on disk; a port that it adds is open when this resolves. */
export async function setNetworkPolicy(dirs: NetworkDirs, policy: EgressPolicy): Promise<void> {
  await askGateway(networkFiles(dirs).controlSocket, { command: 'setPolicy', policy });
}

/** Requests of a bottle that wait for a person; none where its gateway does not run. */
export async function networkQuestions(dirs: NetworkDirs): Promise<readonly Question[]> {
  const asked = ignoreCodes(['ENOENT', 'ECONNREFUSED'], () => askGateway(networkFiles(dirs).controlSocket, { command: 'questions' }));
  return ((await asked) ?? []) as readonly Question[];
}

/** False where no such question waits (any more). */
export async function answerNetworkQuestion(dirs: NetworkDirs, id: string, answer: NetworkAnswer): Promise<boolean> {
  return (await askGateway(networkFiles(dirs).controlSocket, { command: 'answer', id, ...answer })) === true;
}

/** Takes back every yes that still holds, also where the gateway does not run. */
export async function forgetNetworkAnswers(dirs: NetworkDirs): Promise<void> {
  const { controlSocket, answers } = networkFiles(dirs);
  await ignoreCodes(['ENOENT', 'ECONNREFUSED'], () => askGateway(controlSocket, { command: 'forgetAnswers' }));
  await rm(answers, { force: true });
}

/** The mark of a bottle that sent its canary; undefined where it did not. */
export async function networkCanaryMark({ stateDir }: NetworkDirs): Promise<TripwireMark | undefined> {
  const file = canaryMarkFile(stateDir);
  // All that a gateway is made of is loaded with it
  return existsSync(file) ? (await import('../egress/index.ts')).readTripwireMark(file) : undefined;
}

/** Why a bottle that sent its canary is not paused; undefined where it is, or where the pause is under way. */
export async function networkCanaryProblem({ stateDir }: NetworkDirs): Promise<string | undefined> {
  if (existsSync(canaryPausedFile(stateDir))) return undefined;
  return await ignoreCodes(['ENOENT'], () => readFile(canaryProblemFile(stateDir), 'utf8'));
}

export async function recordCanaryProblem({ stateDir }: NetworkDirs, problem: string): Promise<void> {
  await writePrivateFile(canaryProblemFile(stateDir), problem);
}

export async function recordCanaryPaused({ stateDir }: NetworkDirs): Promise<void> {
  await writePrivateFile(canaryPausedFile(stateDir), '');
}

/** Lets a bottle that sent its canary go on, also where its gateway does not run. */
export async function resumeNetwork(dirs: NetworkDirs): Promise<void> {
  await ignoreCodes(['ENOENT', 'ECONNREFUSED'], () => askGateway(networkFiles(dirs).controlSocket, { command: 'resume' }));
  await rm(canaryMarkFile(dirs.stateDir), { force: true });
  forgetCanaryPause(dirs.stateDir);
}
