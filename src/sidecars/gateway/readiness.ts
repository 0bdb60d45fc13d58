import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_EXIT_STATUS, type ErrorCode, ignoreCodes, patient, systemCodeOf, TerokError } from '../../core/index.ts';
import { askGateway } from './control-client.ts';
import type { GatewayStatus } from './gateway.ts';
import type { NetworkFiles } from './network-files.ts';
import { recordedProcess } from './process-record.ts';

const READY_MS = patient(20_000);
/** Short: every bottle's start waits for this; but where each look takes long, looking must not hold up what it waits for. */
const POLL_MS = patient(3);
const STATUS_MS = patient(3_000);
/** Another opener may have ended this keeper and be about to start its own. */
const SUCCESSOR_MS = patient(500);

/** Resolves when the gateway serves; rejects with its own words when it refuses to start or never comes up. */
export async function waitUntilReady(files: NetworkFiles, keeper: ChildProcess, timeoutMs: number = READY_MS): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let endedAt: number | undefined;
  while ((await askStatus(files)) === undefined) {
    if (!hasEnded(keeper) || recordedProcess(files.keeper) !== undefined) endedAt = undefined;
    else if (existsSync(files.failure) || Date.now() - (endedAt ??= Date.now()) > SUCCESSOR_MS) throw await gatewayFailure(files, 'ended');
    if (Date.now() > deadline) throw await gatewayFailure(files, `was not ready after ${timeoutMs} ms`);
    await sleep(POLL_MS);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Undefined where no gateway answers. */
export async function askStatus(files: NetworkFiles): Promise<GatewayStatus | undefined> {
  if (!existsSync(files.controlSocket)) return undefined;
  try {
    return (await askGateway(files.controlSocket, { command: 'status' }, STATUS_MS)) as GatewayStatus;
  } catch (error) {
    if (error instanceof TerokError || ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(systemCodeOf(error) ?? ''))
      return undefined;
    throw error;
  }
}

async function gatewayFailure(files: NetworkFiles, how: string): Promise<TerokError> {
  const [failure, log] = await Promise.all([readText(files.failure), readText(files.log)]);
  const context = { log: files.log };
  if (failure !== '') {
    const { code, message, hint } = JSON.parse(failure) as { code: string; message: string; hint?: string };
    return new TerokError(isErrorCode(code) ? code : 'GATEWAY_FAILED', message, { context, ...(hint === undefined ? {} : { hint }) });
  }
  const tail = log.trim().split('\n').slice(-8).join('\n');
  return new TerokError('GATEWAY_FAILED', `The gateway ${how}${tail === '' ? '.' : `: ${tail}`}`, {
    context,
    hint: 'Run the command again; where that does not help, `terok doctor` says what this machine lacks.',
  });
}

async function readText(file: string): Promise<string> {
  return (await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'))) ?? '';
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_EXIT_STATUS, code);
}
