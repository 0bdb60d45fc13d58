/*
 * The gateway process of one bottle. argv: the path of its plan. Exit status: 0 after a clean end (asked to, or the bottle's network is
 * gone), 3 when it refuses to start until something changes, anything else is a crash after which its keeper runs it again.
 * The helper that opens the listeners starts before the parts are loaded, because both take their time.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTerokError, messageOf } from '../../core/errors.ts';
import { patient } from '../../core/patience.ts';
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts';
import { catchUpPause } from './canary-pause.ts';
import { collectWhenIdle } from './collect-when-idle.ts';
import type { Gateway } from './gateway.ts';
import { GatewayListeners } from './gateway-listeners.ts';
import type { GatewayPlan } from './gateway-plan.ts';
import { startKeeper } from './keeper.ts';
import type { Arrivals } from './listener-set.ts';
import { networkFiles } from './network-files.ts';
import { recordedProcess, recordOwnProcess } from './process-record.ts';
import { publish } from './published-ports.ts';

const EXIT = { clean: 0, crashed: 1, refused: 3 } as const;
/** The holder starts at the same moment as the gateway and is faster. */
const HOLDER_MS = patient(10_000);
const WATCH_MS = 300;

process.umask(0o077);
process.once('SIGTERM', () => process.exit(EXIT.clean));

const plan = readPlan(process.argv[2] ?? '');
const files = networkFiles(plan);
try {
  await run();
} catch (error) {
  process.exitCode = refuse(error);
  process.exit();
}

async function run(): Promise<void> {
  assertOwnKeeper();
  recordOwnProcess(files.process);
  const holder = await waitForHolder();
  const listeners = new GatewayListeners({ holder, rootless: plan.namespaceLauncher.length > 0 }, plan);
  const gateway = loadGateway(listeners);
  const open = listeners.open(whenLoaded(gateway));
  const [loaded] = await Promise.all([gateway, open, publish(plan, files.execSocket)]);
  await loaded.openHostSockets(files);
  catchUpPause(plan);
  watch(holder);
  collectWhenIdle();
  // a gateway that is killed later has left the next one what it compiled
  flushCompileCache();
}

async function loadGateway(listeners: GatewayListeners): Promise<Gateway> {
  const { createGateway } = await import('./create-gateway.ts');
  return createGateway(plan, files, listeners, () => process.exit(EXIT.clean));
}

/** Takes what arrives while the parts are still being loaded. */
function whenLoaded(gateway: Promise<Gateway>): Arrivals {
  const use = (take: (loaded: Gateway) => void): void => void gateway.then(take, () => undefined);
  return {
    onConnection(socket) {
      socket.on('error', () => socket.destroy());
      use((loaded) => loaded.onConnection(socket));
    },
    onDatagram: (message, reply) => use((loaded) => loaded.onDatagram(message, reply)),
  };
}

async function waitForHolder(): Promise<ProcessIdentity> {
  const deadline = Date.now() + HOLDER_MS;
  for (;;) {
    const holder = recordedProcess(files.holder);
    if (holder !== undefined) return holder;
    if (Date.now() > deadline) process.exit(EXIT.clean);
    await sleep(patient(2));
  }
}

/** A gateway whose keeper ended meanwhile belongs to nobody, and another one may be starting. */
function assertOwnKeeper(): void {
  if (recordedProcess(files.keeper)?.pid === process.ppid) return;
  process.stderr.write('This gateway was not started by the keeper of its network.\n');
  process.exit(EXIT.crashed);
}

/** Ends with the bottle's network, makes way for another gateway that took its place, and replaces a keeper that was killed. */
function watch(holder: ProcessIdentity): void {
  let parent = process.ppid;
  setInterval(() => {
    if (!isAlive(holder)) process.exit(EXIT.clean);
    if (recordedProcess(files.process)?.pid !== process.pid) process.exit(EXIT.crashed);
    if (process.ppid === parent) return;
    parent = process.ppid;
    if (recordedProcess(files.keeper) === undefined) startKeeper(files, process.pid);
  }, WATCH_MS);
}

/** A `TerokError` is a condition that a person must change; anything else (a helper that was killed, a port in use) may pass. */
function refuse(error: unknown): number {
  const failure = isTerokError(error) ? error.toJSON() : { code: 'GATEWAY_FAILED', message: messageOf(error) };
  process.stderr.write(`${new Date().toISOString()} ${failure.code}: ${failure.message}\n`);
  writeFileSync(files.failure, JSON.stringify(failure), { mode: 0o600 });
  return isTerokError(error) ? EXIT.refused : EXIT.crashed;
}

function readPlan(file: string): GatewayPlan {
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as GatewayPlan;
  if (parsed.version !== 1) throw new Error(`\`${file}\` is not a plan of this version of terok.`);
  return parsed;
}
