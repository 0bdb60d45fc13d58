import { type Bottle, type BottlePlan, type SealedNetwork, TerokError, writeStateFile } from '../../core/index.ts';
import { INIT_COMMAND, loadChannelIdentity, openChannel } from '../../exec-channel/index.ts';
import { type BottleRecord, bottleRecordFile, readBottleRecord } from './bottle-record.ts';
import type { BottleWay } from './bottle-way.ts';
import type { ContainerProfile, WayWithoutSsh } from './container-profile.ts';
import type { ExecKind } from './create-arguments.ts';
import { initialiseVerified } from './initialise.ts';
import { LABELS, parseContainer } from './inspect.ts';
import { requireSealedNamespace } from './network-guard.ts';
import { OciBottle } from './oci-bottle.ts';
import type { PodmanHost } from './podman-host.ts';
import { writeSeccompProfile } from './seccomp/write-profile.ts';
import { type ContainerStorage, readContainerStorage } from './storage-record.ts';

export interface BottleContext {
  readonly host: PodmanHost;
  readonly profile: ContainerProfile;
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
): OciBottle {
  const { host, profile, runtimeDir } = context;
  return new OciBottle({
    host,
    plan,
    network,
    storage,
    stopScript: profile.stopScript,
    openWay: async () => (exec === 'ssh' ? openSshWay(plan, network) : requireWayWithoutSsh(profile).open(host, runtimeDir, storage.id)),
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
        { profile, seccomp, namespacePath: network.namespacePath, namespaceInode, init: initCommand(profile, exec) },
        options,
      );
      await network.ready;
    },
  });
}

export function initCommand(profile: ContainerProfile, exec: ExecKind): readonly string[] {
  return exec === 'ssh' ? INIT_COMMAND : requireWayWithoutSsh(profile).init;
}

export function requireWayWithoutSsh({ withoutSsh }: ContainerProfile): WayWithoutSsh {
  if (withoutSsh !== undefined) return withoutSsh;
  throw new TerokError('UNSUPPORTED_BY_BACKEND', 'This backend runs commands through SSH alone, and the image has no `/usr/sbin/sshd`.', {
    hint: 'Use an image with bash and OpenSSH, such as the one that `terok image build` makes, or the backend `podman`.',
  });
}

async function openSshWay(plan: BottlePlan, network: SealedNetwork): Promise<BottleWay> {
  return openChannel({ execSocket: network.execSocket, identity: await loadChannelIdentity(plan.stateDir) });
}

/** Asks Podman where the record is gone, and writes it again. */
async function askRecord({ host, owner }: BottleContext, plan: BottlePlan, options: Cancel): Promise<BottleRecord> {
  const container = parseContainer(
    await host.call(`find the container \`${plan.runtimeName}\``, ['container', 'inspect', plan.runtimeName], options),
  );
  const { [LABELS.slug]: slug, [LABELS.owner]: foundOwner, [LABELS.exec]: exec } = container.Config.Labels;
  if (slug !== plan.spec.slug || foundOwner !== owner) {
    throw new TerokError('NOT_FOUND', `The container \`${plan.runtimeName}\` is not one of this terok's.`, {
      context: { runtimeName: plan.runtimeName },
    });
  }
  const record: BottleRecord = { containerId: container.Id, exec: exec === 'api' ? 'api' : 'ssh' };
  await writeStateFile(bottleRecordFile(plan), record);
  return record;
}
