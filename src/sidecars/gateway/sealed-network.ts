/*
 * Scope: makes, repairs and ends the network of one bottle and the processes behind it: holder (keeps the namespace), gateway, keeper
 * (runs the gateway again). Fail-safe direction: whatever is missing, the namespace has no way out.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  helperEnvironment,
  identifyProcess,
  ignoreCodes,
  makePrivateDir,
  patient,
  type SealedNetwork,
  withLock,
  writeStateFile,
} from '../../core/index.ts';
import type { GatewayPlan } from './gateway-plan.ts';
import { linkNamespace, startHolder } from './holder.ts';
import { startKeeper } from './keeper.ts';
import { type NetworkDirs, type NetworkFiles, networkFiles } from './network-files.ts';
import { endProcesses, recordedProcess } from './process-record.ts';
import { askStatus, waitUntilReady } from './readiness.ts';
import { HOLDER_SCRIPT, KEEPER_SCRIPT } from './scripts.ts';

export interface OpenNetworkOptions {
  /** A private directory in which Node keeps compiled modules; without it each start compiles them again */
  readonly compileCacheDir?: string;
  /** How long `ready` waits, 20 000 by default */
  readonly readyTimeoutMs?: number;
  /** A gateway that must be started again starts with the plan that is given, not with the one on disk */
  readonly replacePlan?: boolean;
}

export interface ReopenedNetwork extends SealedNetwork {
  /** `new` after a reboot or the death of the holder: a container that ran in the old namespace must be started again */
  readonly namespace: 'kept' | 'new';
}

/** How long a gateway may take to end its connections when it is asked to. */
const GRACE_MS = 500;
const KEEPER_REPAIR_MS = patient(1_500);

/** Makes the namespace of a network that is opened later, so that nobody waits for it then. What is in it reaches nothing. */
export async function openNamespace(plan: Pick<GatewayPlan, keyof NetworkDirs | 'namespaceLauncher'>): Promise<void> {
  const files = await prepare(plan);
  await withLock(files.lock, async () => {
    if (recordedProcess(files.holder) === undefined) await makeNamespace(plan, files);
  });
}

/**
 * Makes the network of a bottle and starts its gateway. Resolves when the namespace exists; `ready` resolves when every listener is
 * in place, and rejects with GATEWAY_FAILED and the gateway's own words.
 */
export async function openSealedNetwork(plan: GatewayPlan, options: OpenNetworkOptions = {}): Promise<SealedNetwork> {
  const files = await prepare(plan);
  return withLock(files.lock, async () => {
    await endGateway(files);
    await writeStateFile(files.plan, plan);
    return start(plan, files, options);
  });
}

/**
 * Repairs whatever of a bottle's network is dead; does nothing where all is alive. A plan that is on disk is used as it is there,
 * because it has the policy that was set last, unless `replacePlan` says that the given one is newer.
 */
export async function reopenSealedNetwork(plan: GatewayPlan, options: OpenNetworkOptions = {}): Promise<ReopenedNetwork> {
  const files = await prepare(plan);
  return withLock(files.lock, async () => {
    const holder = recordedProcess(files.holder);
    if (holder !== undefined && (await isServing(files))) {
      linkNamespace(files, holder);
      return { ...describe(files, Promise.resolve()), namespace: 'kept' };
    }
    await endGateway(files);
    if (options.replacePlan === true || !existsSync(files.plan)) await writeStateFile(files.plan, plan);
    return start(plan, files, options);
  });
}

/** Ends everything behind a bottle's network, in any state; nothing to end is success. */
export async function closeSealedNetwork(dirs: NetworkDirs): Promise<void> {
  const files = networkFiles(dirs);
  if (existsSync(files.dir)) {
    await withLock(files.lock, async () => {
      await endGateway(files);
      await endProcesses([recordedProcess(files.holder)], 0);
      await rm(files.dir, { recursive: true, force: true });
    });
  }
  await Promise.all([files.execSocket, files.controlSocket, files.namespace].map((file) => rm(file, { force: true })));
  await ignoreCodes(['ENOENT', 'ENOTEMPTY'], () => rmdir(dirs.runtimeDir));
}

async function prepare(dirs: NetworkDirs): Promise<NetworkFiles> {
  const files = networkFiles(dirs);
  await Promise.all([makePrivateDir(dirs.runtimeDir), makePrivateDir(files.dir)]);
  return files;
}

async function start(plan: GatewayPlan, files: NetworkFiles, options: OpenNetworkOptions): Promise<ReopenedNetwork> {
  await Promise.all([
    writeFile(files.keeperScript, KEEPER_SCRIPT, { mode: 0o600 }),
    rm(files.failure, { force: true }),
    rm(files.controlSocket, { force: true }),
  ]);
  const kept = recordedProcess(files.holder);
  if (kept === undefined) await rm(files.holder, { force: true });
  else linkNamespace(files, kept);
  const cache = options.compileCacheDir === undefined ? {} : { NODE_COMPILE_CACHE: options.compileCacheDir };
  const keeper = startKeeper(files, 0, helperEnvironment(cache));
  if (kept === undefined) await startHolderOrEnd(plan, files, keeper);
  const ready = waitUntilReady(files, keeper, options.readyTimeoutMs);
  // Who asks for the network may end it before it looks at `ready`
  ready.catch(() => undefined);
  return { ...describe(files, ready), namespace: kept === undefined ? 'new' : 'kept' };
}

async function makeNamespace({ namespaceLauncher }: Pick<GatewayPlan, 'namespaceLauncher'>, files: NetworkFiles): Promise<void> {
  await writeFile(files.holderScript, HOLDER_SCRIPT, { mode: 0o600 });
  await startHolder(files, namespaceLauncher);
}

async function startHolderOrEnd(plan: GatewayPlan, files: NetworkFiles, keeper: ChildProcess): Promise<void> {
  try {
    await makeNamespace(plan, files);
  } catch (error) {
    await endProcesses([keeper.pid === undefined ? undefined : identifyProcess(keeper.pid), recordedProcess(files.process)], GRACE_MS);
    throw error;
  }
}

function describe(files: NetworkFiles, ready: Promise<void>): SealedNetwork {
  return { namespacePath: files.namespace, execSocket: files.execSocket, ready };
}

/** The keeper leads the group in which its gateway runs, so a gateway that it has just started ends too. */
async function endGateway(files: NetworkFiles): Promise<void> {
  await endProcesses([recordedProcess(files.keeper), recordedProcess(files.process)], GRACE_MS);
}

/** A gateway whose keeper was killed makes a new one within a moment. */
async function isServing(files: NetworkFiles): Promise<boolean> {
  const deadline = Date.now() + KEEPER_REPAIR_MS;
  while ((await askStatus(files)) !== undefined) {
    if (recordedProcess(files.keeper) !== undefined) return true;
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return false;
}
