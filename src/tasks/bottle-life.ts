/** Takes a task's bottle through its life: launch, find again, end. */
import path from 'node:path';
import { type Bottle, type BottlePlan, bottleDirs, type CallOptions, settleAll, TerokError } from '../core/index.ts';
import { readRecord, releaseLoopbackAlias, updateRecord } from '../core/resolve/index.ts';
import { closeSealedNetwork, type GatePlan, openSealedNetwork, reopenSealedNetwork } from '../sidecars/gateway/index.ts';
import type { Identity } from './bottle-identity.ts';
import type { TaskContext } from './context.ts';
import { knownGate, planGateway } from './plan-gateway.ts';

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
      planGateway(context, plan, { gate, alias }).then((wanted) => openSealedNetwork(wanted, networkOptions(context))),
      updateRecord(context.paths, plan.spec.slug, (record) => ({ ...record, plan, ...(alias === undefined ? {} : { alias }) })),
    ]);
    const onPhase = async (phase: 'created' | 'sealed'): Promise<void> => void (phase === 'sealed' && (await before));
    return await backend.launch(plan, { network, seeds, onPhase }, options);
  } catch (error) {
    await closeSealedNetwork(plan);
    throw error;
  }
}

interface OpenOptions extends CallOptions {
  /** Waits until a gateway that had to be made again takes calls; one that cannot be made must not keep a bottle from its end */
  readonly reachable?: boolean;
}

/** A handle on a task's bottle; its network is repaired first. Throws WRONG_STATE where the bottle is gone. */
export async function openBottle(context: TaskContext, slug: string, { reachable = false, ...options }: OpenOptions = {}): Promise<Bottle> {
  const record = await readRecord(context.paths, slug);
  if (record?.plan === undefined || record.phase === 'removed' || record.phase === 'planned') {
    throw new TerokError('WRONG_STATE', `The task \`${slug}\` has no bottle any more.`, {
      hint: `Its work is in the gate: \`terok diff ${slug}\`. Keep a bottle with \`terok run --keep\`.`,
    });
  }
  const [backend, network] = await Promise.all([context.backend(record.backend), reopenNetwork(context, record.plan, record.alias)]);
  if (reachable) await network.ready;
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
    record?.alias === undefined ? undefined : releaseLoopbackAlias(context.paths, slug),
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
  const wanted = await planGateway(context, plan, { gate: await knownGate(context, plan.spec.slug), alias });
  return await reopenSealedNetwork(wanted, { ...networkOptions(context), replacePlan: true });
}

function networkOptions(context: TaskContext): { readonly compileCacheDir: string } {
  return { compileCacheDir: path.join(context.paths.cache, 'compiled') };
}
