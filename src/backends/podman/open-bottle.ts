import { type Bottle, type BottlePlan, type SealedNetwork, TerokError, writeStateFile } from '../../core/index.ts';
import { INIT_COMMAND, loadChannelIdentity, openChannel } from '../../exec-channel/index.ts';
import { type ContainerStorage, LABELS, type PodmanHost, parseContainer, readContainerStorage, writeSeccompProfile } from '../oci/index.ts';
import { API_INIT_COMMAND, openApiWay } from './api-way.ts';
import { bottleRecordFile, type PodmanBottleRecord, readBottleRecord } from './bottle-record.ts';
import type { BottleWay } from './bottle-way.ts';
import type { ExecKind } from './create-arguments.ts';
import { initialiseVerified } from './initialise.ts';
import { requireSealedNamespace } from './network-guard.ts';
import { PodmanBottle } from './podman-bottle.ts';

export interface BottleContext {
  readonly host: PodmanHost;
  /** State directory of terok, the value of the owner label */
  readonly owner: string;
  /** Where terok's own files for Podman lie */
  readonly runtimeDir: string;
}

interface Cancel {
  readonly signal?: AbortSignal;
}

/** A handle on a container that exists in any state; NOT_FOUND where it does not. */
export async function openExistingBottle(
  context: BottleContext,
  plan: BottlePlan,
  network: SealedNetwork,
  options: Cancel = {},
): Promise<Bottle> {
  const record = (await readBottleRecord(plan)) ?? (await askRecord(context, plan, options));
  const storage = await readContainerStorage(context.host, record.containerId, options);
  return makeBottle(context, plan, network, record.exec, storage);
}

export function makeBottle(
  context: BottleContext,
  plan: BottlePlan,
  network: SealedNetwork,
  exec: ExecKind,
  storage: ContainerStorage,
): PodmanBottle {
  const { host, runtimeDir } = context;
  return new PodmanBottle({
    host,
    plan,
    network,
    storage,
    openWay: async () => (exec === 'ssh' ? openSshWay(plan, network) : openApiWay(host, runtimeDir, storage.id)),
    prepare: async (signal) => {
      const options = signal === undefined ? {} : { signal };
      const [{ profile: seccomp }, namespaceInode] = await Promise.all([
        writeSeccompProfile(runtimeDir),
        requireSealedNamespace(plan, network),
      ]);
      await initialiseVerified(
        host,
        plan,
        storage,
        { seccomp, namespacePath: network.namespacePath, namespaceInode, init: initCommand(exec) },
        options,
      );
      await network.ready;
    },
  });
}

export function initCommand(exec: ExecKind): readonly string[] {
  return exec === 'ssh' ? INIT_COMMAND : API_INIT_COMMAND;
}

async function openSshWay(plan: BottlePlan, network: SealedNetwork): Promise<BottleWay> {
  return openChannel({ execSocket: network.execSocket, identity: await loadChannelIdentity(plan.stateDir) });
}

/** Asks Podman where the record is gone, and writes it again. */
async function askRecord({ host, owner }: BottleContext, plan: BottlePlan, options: Cancel): Promise<PodmanBottleRecord> {
  const container = parseContainer(
    await host.call(`find the container \`${plan.runtimeName}\``, ['container', 'inspect', plan.runtimeName], options),
  );
  const { [LABELS.slug]: slug, [LABELS.owner]: foundOwner, [LABELS.exec]: exec } = container.Config.Labels;
  if (slug !== plan.spec.slug || foundOwner !== owner) {
    throw new TerokError('NOT_FOUND', `The container \`${plan.runtimeName}\` is not one of this terok's.`, {
      context: { runtimeName: plan.runtimeName },
    });
  }
  const record: PodmanBottleRecord = { containerId: container.Id, exec: exec === 'api' ? 'api' : 'ssh' };
  await writeStateFile(bottleRecordFile(plan), record);
  return record;
}
