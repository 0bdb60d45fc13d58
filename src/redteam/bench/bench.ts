/*
 * Scope: where attacks are tried: a terok with directories of its own, so that no task, secret or setting of the user is near, and
 * the name server and certificate authority of the targets. Fail-safe direction: whatever was made is removed at the end, and what a
 * killed run left is removed by the next one.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type BackendCapabilities,
  identifyProcess,
  isAlive,
  makePrivateDir,
  messageOf,
  processIdentitySchema,
  readStateFile,
  resolvePaths,
  settleAll,
  TerokError,
  type TerokPaths,
  writeStateFile,
} from '../../core/index.ts';
import { type BackendReport, createTerok, type Terok } from '../../tasks/index.ts';
import { type BottleWish, launchRedBottle, type RedBottle } from './bottle.ts';
import { NameServer } from './name-server.ts';
import { makeTargetCa, type TargetCa } from './target-ca.ts';

/** What every row of every suite works with. */
export interface RedBench extends AsyncDisposable {
  readonly backend: string;
  readonly capabilities: BackendCapabilities;
  /** The product itself, with directories of its own */
  readonly terok: Terok;
  /** The directories of that terok: attacks look into its state, and tests of secrets into its vault */
  readonly paths: TerokPaths;
  /** A private directory of the run */
  readonly directory: string;
  /** Answers for names below `.test`, which the gateways of this run ask in the place of the host's resolver */
  readonly names: NameServer;
  /** Signs certificates of targets; trusted by the gateways of this run alone */
  readonly targetCa: TargetCa;
  readonly signal: AbortSignal;
  /** Makes a bottle by the same road as `terok run --keep` */
  bottle(wish?: BottleWish): Promise<RedBottle>;
  /** Called before each row: what an earlier one left must not be seen by the next */
  reset(): void;
  /** Work for the end, in the reverse order of the calls */
  defer(work: () => unknown): void;
}

export interface BenchOptions {
  readonly backend?: string;
  /** Reference of the image of all bottles; the base image of terok where absent */
  readonly image?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

const OWNER_FILE = 'owner.json';

export async function openBench(options: BenchOptions): Promise<RedBench> {
  const env = options.env ?? process.env;
  const user = resolvePaths(env);
  await removeLeftovers(user, env);
  const cleanup = new AsyncDisposableStack();
  try {
    return await prepare(options, { env, user, cleanup });
  } catch (error) {
    await cleanup.disposeAsync();
    throw error;
  }
}

interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly user: TerokPaths;
  readonly cleanup: AsyncDisposableStack;
}

async function prepare(options: BenchOptions, { env, user, cleanup }: Surroundings): Promise<RedBench> {
  const directory = await makeDirectory(user);
  cleanup.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  const names = await NameServer.open();
  cleanup.defer(() => names.close());
  const targetCa = await makeTargetCa(directory);
  const ownEnv = { ...env, ...ownDirectories(directory) };
  const targets = { nameServer: names.address, caFile: targetCa.certificateFile };
  await copySettings(createTerok({ env }), directory);
  const terok = createTerok({ env: ownEnv, targets });
  cleanup.defer(() => removeTasks(terok));
  const { name: backend, capabilities } = await usableBackend(terok, options.backend ?? (await defaultBackend(env)));
  const bench: RedBench = {
    backend,
    capabilities,
    terok,
    directory,
    names,
    targetCa,
    paths: resolvePaths(ownEnv),
    signal: options.signal ?? new AbortController().signal,
    bottle: (wish = {}) =>
      launchRedBottle(bench, { ...(options.image === undefined ? {} : { image: options.image }), ...wish }, options.onProgress),
    reset: () => undefined,
    defer: (work) => cleanup.defer(async () => void (await work())),
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
  return bench;
}

/** Below the state directory of the user, with a note of whose it is. The name is short, and unknown to whoever is attacked. */
async function makeDirectory(user: TerokPaths): Promise<string> {
  const directory = path.join(await makePrivateDir(path.join(user.state, 'redteam')), randomBytes(4).toString('hex'));
  const owner = identifyProcess(process.pid);
  if (owner === undefined) throw new TerokError('RUNTIME_FAILED', '`/proc` does not show this process; terok needs a mounted `/proc`.');
  await mkdir(directory, { mode: 0o700 });
  await writeStateFile(path.join(directory, OWNER_FILE), owner);
  return directory;
}

/** Images, compiled modules and the runtime directory are shared: none of them holds anything of a task's. */
function ownDirectories(directory: string): Record<string, string> {
  return Object.fromEntries(['config', 'data', 'state'].map((name) => [`TEROK_${name.toUpperCase()}_DIR`, path.join(directory, name)]));
}

/** What the user says about images and limits holds here as well; routes, models and credentials do not. */
async function copySettings(terok: Terok, directory: string): Promise<void> {
  const { settings } = await terok.config(directory);
  const { image, unenforcedLimits, limits } = settings as Record<string, unknown>;
  const config = await makePrivateDir(path.join(directory, 'config'));
  await writeFile(path.join(config, 'config.yml'), JSON.stringify({ image, unenforcedLimits, limits }), { mode: 0o600 });
}

async function defaultBackend(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return (await createTerok({ env }).backends()).find(({ isDefault }) => isDefault)?.name;
}

async function usableBackend(terok: Terok, name: string | undefined): Promise<BackendReport> {
  const backends = await terok.backends();
  const found = backends.find((backend) => backend.name === name);
  if (found === undefined)
    throw new TerokError('NOT_FOUND', `There is no backend \`${name}\`; there is: ${backends.map((backend) => backend.name).join(', ')}.`);
  if (found.probe.state === 'available') return found;
  throw new TerokError(
    'BACKEND_UNAVAILABLE',
    `Nothing can be attacked: the backend \`${name}\` cannot be used here: ${found.probe.findings.map(({ message }) => message).join(' ')}`,
    { hint: 'Run `terok doctor`.' },
  );
}

async function removeTasks(terok: Terok): Promise<void> {
  const tasks = await terok.list();
  await settleAll(tasks.map(({ slug }) => terok.remove(slug, { force: true })));
}

/** A run that was killed leaves its directory; the bottles of it are known from there. */
async function removeLeftovers(user: TerokPaths, env: NodeJS.ProcessEnv): Promise<void> {
  const base = path.join(user.state, 'redteam');
  if (!existsSync(base)) return;
  for (const name of await readdir(base)) {
    const directory = path.join(base, name);
    const owner = await readStateFile(path.join(directory, OWNER_FILE), processIdentitySchema);
    if (owner === undefined || isAlive(owner)) continue;
    try {
      await removeTasks(createTerok({ env: { ...env, ...ownDirectories(directory) } }));
    } catch (error) {
      throw new TerokError('STATE_CORRUPT', `What an earlier run left in \`${directory}\` could not be removed: ${messageOf(error)}`, {
        hint: 'Run `terok doctor`, then remove the directory.',
        cause: error,
      });
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
