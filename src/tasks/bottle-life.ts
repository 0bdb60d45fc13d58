/** Takes a task's bottle through its life: launch, find again, end. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type BackendCapabilities,
  type Bottle,
  type BottlePlan,
  bottleDirs,
  type CallOptions,
  ignoreCodes,
  ownFile,
  type SeedFile,
  settleAll,
  TerokError,
  writePrivateFile,
} from '../core/index.ts';
import {
  acquireLoopbackAlias,
  combinedBundle,
  javaTruststore,
  mintBottleCa,
  readRecord,
  releaseLoopbackAlias,
  updateRecord,
} from '../core/resolve/index.ts';
import { controlProof, createChannelIdentity, loadChannelIdentity } from '../exec-channel/index.ts';
import {
  closeSealedNetwork,
  digestOfProof,
  type GatePlan,
  type GatewayPlan,
  openSealedNetwork,
  reopenSealedNetwork,
} from '../sidecars/gateway/index.ts';
import type { TaskContext } from './context.ts';
import { loadSettings } from './effective-settings.ts';
import { taskPolicy } from './egress-policy.ts';
import { planGate } from './plan-gate.ts';
import { readTask } from './task-record.ts';

/** Where the bottle keeps its trust roots. */
export const TRUST_PATHS = { ca: '/etc/terok/ca.pem', bundle: '/etc/terok/bundle.pem', truststore: '/etc/terok/truststore.jks' } as const;

/** A token that is noticed when it leaves the bottle, in a file such as backup programs have. */
const CANARY_PATH = '/etc/backup/storage.env';

const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

export interface Identity {
  readonly seeds: readonly SeedFile[];
  /** Loopback address of the host; belongs into the record */
  readonly alias: string;
}

/** Makes what only this bottle has: certificate authority, channel keys, loopback alias. */
export async function mintIdentity(context: TaskContext, slug: string, { hasCanary }: { readonly hasCanary: boolean }): Promise<Identity> {
  const { stateDir } = bottleDirs(context.paths, slug);
  const [ca, alias, system] = await settleAll([
    mintBottleCa(slug),
    acquireLoopbackAlias(context.paths, slug),
    ignoreCodes(['ENOENT'], () => readFile(SYSTEM_BUNDLE, 'utf8')),
    createChannelIdentity(stateDir),
  ]);
  const files = caFiles(stateDir);
  const canary = hasCanary ? mintCanary() : undefined;
  await settleAll([
    canary === undefined ? undefined : writePrivateFile(canaryFile(stateDir), canary),
    writePrivateFile(files.certificate, ca.certificatePem),
    writePrivateFile(files.key, ca.keyPem),
  ]);
  const bundle = combinedBundle(system ?? '', ca.certificatePem);
  const seed = (target: string, content: string | Buffer): SeedFile => ({ path: target, content, mode: 0o644, owner: 'root' });
  return {
    seeds: [
      seed(TRUST_PATHS.ca, ca.certificatePem),
      seed(TRUST_PATHS.bundle, bundle),
      seed(TRUST_PATHS.truststore, javaTruststore(bundle)),
      seed(SYSTEM_BUNDLE, bundle),
      ...(canary === undefined ? [] : [seed(CANARY_PATH, canaryFileContent(canary))]),
    ],
    alias,
  };
}

/** Small letters and digits, so that it survives wherever it is sent, in a host name too. */
function mintCanary(): string {
  return `bkp${randomBytes(20).toString('hex')}`;
}

/** What who looks for credentials would take along; nothing in the bottle reads it. */
function canaryFileContent(canary: string): string {
  return `BACKUP_STORAGE_URL=https://storage.backup.internal/nightly\nBACKUP_STORAGE_TOKEN=${canary}\n`;
}

function canaryFile(stateDir: string): string {
  return path.join(stateDir, 'canary');
}

export interface BottleParts {
  readonly plan: BottlePlan;
  readonly identity: Identity;
  readonly gate: GatePlan;
  /** Done before the first process of the bottle starts; its failure is the launch's */
  readonly before: Promise<unknown>;
}

/** Makes the network and the bottle in it, with a record of both; on failure nothing of either is left. */
export async function launchBottle(
  context: TaskContext,
  { plan, identity: { seeds, alias }, gate, before }: BottleParts,
  options: CallOptions,
): Promise<Bottle> {
  const backend = await context.backend(plan.backend);
  try {
    // a network is found and ended by its directories, a runtime object only by the plan in the record: that is there before it
    const [network] = await settleAll([
      gatewayPlan(context, plan, { gate, alias }).then((wanted) => openSealedNetwork(wanted, networkOptions(context))),
      updateRecord(context.paths, plan.spec.slug, (record) => ({ ...record, plan, alias })),
    ]);
    const onPhase = async (phase: 'created' | 'sealed'): Promise<void> => void (phase === 'sealed' && (await before));
    return await backend.launch(plan, { network, seeds, onPhase }, options);
  } catch (error) {
    await closeSealedNetwork(plan);
    throw error;
  }
}

/** A handle on a task's bottle; its network is repaired first. Throws WRONG_STATE where the bottle is gone. */
export async function openBottle(context: TaskContext, slug: string, options: CallOptions = {}): Promise<Bottle> {
  const record = await readRecord(context.paths, slug);
  if (record?.plan === undefined || record.phase === 'removed' || record.phase === 'planned') {
    throw new TerokError('WRONG_STATE', `The task \`${slug}\` has no bottle any more.`, {
      hint: `Its work is in the gate: \`terok diff ${slug}\`. Keep a bottle with \`terok run --keep\`.`,
    });
  }
  const [backend, network] = await Promise.all([context.backend(record.backend), reopenNetwork(context, record.plan, record.alias)]);
  return await backend.open(record.plan, network, options);
}

/** Resolves when every listener of a task's network is in place again. */
export async function repairNetwork(context: TaskContext, slug: string): Promise<void> {
  const record = await readRecord(context.paths, slug);
  if (record?.plan !== undefined) await (await reopenNetwork(context, record.plan, record.alias)).ready;
}

/** Lets the processes of a paused bottle go on; one that sent its canary stays cut off. False where it was not paused. */
export async function resumeBottle(context: TaskContext, slug: string): Promise<boolean> {
  const record = await readRecord(context.paths, slug);
  if (record?.phase !== 'running') return false;
  await using bottle = await openBottle(context, slug);
  if ((await bottle.status()) !== 'paused') return false;
  await bottle.resume();
  return true;
}

/** Removes bottle and network for good, from any state. The record stays. */
export async function dropBottle(context: TaskContext, slug: string): Promise<void> {
  await removeBottle(context, slug);
  const record = await readRecord(context.paths, slug);
  await settleAll([
    releaseLoopbackAlias(context.paths, slug),
    record === undefined ? undefined : updateRecord(context.paths, slug, ({ alias: _, ...rest }) => ({ ...rest, phase: 'removed' })),
  ]);
}

/** The bottle and its network alone, at the same time; writes nothing, so that it also works where the disk is full. */
export async function removeBottle(context: TaskContext, slug: string): Promise<void> {
  const record = await readRecord(context.paths, slug);
  await settleAll([
    record?.plan === undefined ? undefined : context.backend(record.backend).then((backend) => backend.remove(slug)),
    closeSealedNetwork(bottleDirs(context.paths, slug)),
  ]);
}

/** A gateway that must be started again starts with the policy that holds now, not with the one that it had. */
async function reopenNetwork(context: TaskContext, plan: BottlePlan, alias: string | undefined): ReturnType<typeof reopenSealedNetwork> {
  const wanted = await gatewayPlan(context, plan, { gate: await knownGate(context, plan.spec.slug), alias });
  return await reopenSealedNetwork(wanted, { ...networkOptions(context), replacePlan: true });
}

interface GatewayInputs {
  readonly gate: GatePlan | undefined;
  readonly alias: string | undefined;
}

async function gatewayPlan(context: TaskContext, plan: BottlePlan, { gate, alias }: GatewayInputs): Promise<GatewayPlan> {
  const { policy } = await taskPolicy(context, plan.spec.slug, plan.spec.egress);
  const { capabilities } = await context.backend(plan.backend);
  return {
    version: 1,
    slug: plan.spec.slug,
    project: plan.spec.project,
    stateDir: plan.stateDir,
    runtimeDir: plan.runtimeDir,
    namespaceLauncher: plan.namespaceLauncher,
    policy,
    vaultDir: vaultDir(context),
    ca: caFiles(plan.stateDir),
    ...(await configured(context, plan, capabilities)),
    ...(gate === undefined ? {} : { gate }),
    ...(alias === undefined || plan.spec.ports === undefined ? {} : { published: { address: alias, ports: plan.spec.ports } }),
    ...(context.targets === undefined ? {} : { targets: context.targets }),
    // the host does not see the users of another kernel
    ...(capabilities.ownKernel ? { controlProof: digestOfProof(controlProof(await loadChannelIdentity(plan.stateDir))) } : {}),
  };
}

/** Whether the canary is watched, and how this machine reaches the internet. */
async function configured(
  context: TaskContext,
  { spec: { project, slug }, stateDir }: BottlePlan,
  { pausable }: BackendCapabilities,
): Promise<Pick<GatewayPlan, 'canaryFile' | 'onCanary' | 'upstreamCa' | 'upstreamProxy'>> {
  const { loadGlobalConfig, loadProjectConfig, mergeSettings, resolveUpstreamProxy } = await import('../core/config/index.ts');
  const [global, own] = await Promise.all([loadGlobalConfig(context.paths), loadProjectConfig(context.paths, project)]);
  const { canary, upstreamCa, upstreamProxy: wanted } = mergeSettings(global.value, own.value).settings.egress;
  const upstreamProxy = resolveUpstreamProxy(wanted, context.env);
  const main = ownFile({ source: 'tasks/pause-main.ts', built: 'pause-bottle.js' });
  const onCanary = pausable ? { onCanary: { main, argument: JSON.stringify({ paths: context.paths, slug }) } } : {};
  return {
    ...(canary !== false && existsSync(canaryFile(stateDir)) ? { canaryFile: canaryFile(stateDir), ...onCanary } : {}),
    ...(upstreamCa === undefined ? {} : { upstreamCa }),
    ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
  };
}

/** With the rules that hold now. */
async function knownGate(context: TaskContext, slug: string): Promise<GatePlan | undefined> {
  const task = await readTask(context.paths, slug);
  if (task?.gate === undefined) return undefined;
  const { settings } = await loadSettings(context, task.project);
  return planGate(context, { project: task.project, slug, settings: settings.git, gate: task.gate });
}

export function vaultDir(context: TaskContext): string {
  return path.join(context.paths.data, 'secrets');
}

function networkOptions(context: TaskContext): { readonly compileCacheDir: string } {
  return { compileCacheDir: path.join(context.paths.cache, 'compiled') };
}

function caFiles(stateDir: string): GatewayPlan['ca'] {
  return { certificate: path.join(stateDir, 'ca', 'certificate.pem'), key: path.join(stateDir, 'ca', 'key.pem') };
}
