import { randomBytes } from 'node:crypto';
import { type Bottle, type BottlePlan, type LaunchInputs, messageOf, type SeedFile, TerokError, writeStateFile } from '../../core/index.ts';
import { channelSeeds, loadChannelIdentity } from '../../exec-channel/index.ts';
import { bottleRecordFile } from './bottle-record.ts';
import type { ContainerProfile } from './container-profile.ts';
import { createContainer } from './container-verbs.ts';
import { createArguments, type ExecKind } from './create-arguments.ts';
import { createSpec } from './create-spec.ts';
import { requireSafeImage } from './image-guard.ts';
import { initialiseVerified, type VerifyInputs } from './initialise.ts';
import { type ImageDescription, LABELS } from './inspect.ts';
import { requireSealedNamespace } from './network-guard.ts';
import type { OciBottle } from './oci-bottle.ts';
import { type BottleContext, initCommand, makeBottle, requireWayWithoutSsh } from './open-bottle.ts';
import type { PodmanHost } from './podman-host.ts';
import { forceRemove, removeLabelled } from './remove.ts';
import { writeSeccompProfile } from './seccomp/write-profile.ts';
import { hasFile, writeSeeds } from './seed-tree.ts';
import { type ContainerStorage, readContainerStorage } from './storage-record.ts';

interface Cancel {
  readonly signal?: AbortSignal;
}

/** Makes, seeds, verifies and starts a container; on failure removes what this attempt made and nothing else. */
export async function launchBottle(context: BottleContext, plan: BottlePlan, inputs: LaunchInputs, options: Cancel = {}): Promise<Bottle> {
  const attempt = randomBytes(12).toString('hex');
  // a failure of the network is also waited for below; until then it must not count as unhandled
  inputs.network.ready.catch(() => undefined);
  let bottle: OciBottle | undefined;
  try {
    const { storage, exec, expectation } = await makeContainer(context, plan, inputs, attempt, options);
    const opening = makeBottle(context, plan, inputs.network, exec, storage);
    bottle = opening;
    if (exec === 'ssh') {
      inputs.network.ready.then(
        () => void opening.expectAnswer(options.signal),
        () => undefined,
      );
    }
    await settleAll([
      inputs.onPhase('created'),
      collectSeeds(context.profile, plan, exec, inputs.seeds).then((seeds) => writeSeeds(context.host, storage, seeds, options)),
      writeStateFile(bottleRecordFile(plan), { containerId: storage.id, exec }),
    ]);
    await initialiseVerified(context.host, plan, storage, expectation, options);
    await inputs.network.ready;
    await inputs.onPhase('sealed');
    await opening.startPrepared(options);
    return opening;
  } catch (error) {
    await bottle?.[Symbol.asyncDispose]();
    await removeAttempt(context.host, attempt, error);
    throw error;
  }
}

/** All of it ends, well or badly, before the first failure is thrown: cleaning up must not race with work. */
async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

interface Created {
  readonly storage: ContainerStorage;
  readonly exec: ExecKind;
  readonly expectation: VerifyInputs;
}

async function makeContainer(
  context: BottleContext,
  plan: BottlePlan,
  inputs: LaunchInputs,
  attempt: string,
  options: Cancel,
): Promise<Created> {
  const { host, owner, profile } = context;
  const { namespacePath } = inputs.network;
  const [{ file: seccompFile, profile: seccomp }, namespaceInode] = await Promise.all([
    writeSeccompProfile(context.runtimeDir),
    requireSealedNamespace(plan, inputs.network),
  ]);
  const create = async (exec: ExecKind): Promise<string> => {
    const request = { plan, host, profile, owner, seccompFile, namespacePath, init: initCommand(profile, exec), exec, attempt };
    return await createContainer(
      host,
      { name: plan.runtimeName, argv: () => createArguments(request), spec: () => createSpec(request) },
      options,
    );
  };
  // nearly every image has SSH, so the container is made for it while the image is looked at
  const [image, guess] = await Promise.allSettled([requireSafeImage(host, plan.spec.image, options), create('ssh')]);
  if (image.status === 'rejected') throw image.reason;
  if (guess.status === 'rejected') throw guess.reason;
  await assertNoRefusedFile(profile, image.value, plan.spec.image);
  const exec = await execKindOf(image.value);
  if (exec === 'api') {
    requireWayWithoutSsh(profile);
    assertNoPorts(plan);
    await forceRemove(host, guess.value, options);
  }
  const storage = await readContainerStorage(host, exec === 'api' ? await create('api') : guess.value, options);
  assertSameImage(storage, image.value, plan.spec.image);
  return { storage, exec, expectation: { profile, seccomp, namespacePath, namespaceInode, init: initCommand(profile, exec) } };
}

async function execKindOf(image: ImageDescription): Promise<ExecKind> {
  return (await hasFile(image.layerDirs, '/usr/sbin/sshd')) === false ? 'api' : 'ssh';
}

function assertNoPorts({ spec: { ports = [], image } }: BottlePlan): void {
  const [first] = ports;
  if (first === undefined) return;
  throw new TerokError(
    'UNSUPPORTED_BY_BACKEND',
    `Port ${first.port} cannot be published: the image \`${image}\` has no \`/usr/sbin/sshd\`.`,
    {
      context: { image, port: first.port },
      hint: 'Use an image with bash and OpenSSH, such as the one that `terok image build` makes, or leave out `--publish`.',
    },
  );
}

async function assertNoRefusedFile({ refusedFiles }: ContainerProfile, { layerDirs }: ImageDescription, reference: string): Promise<void> {
  for (const file of refusedFiles) {
    if ((await hasFile(layerDirs, file)) !== true) continue;
    throw new TerokError('REFUSED', `The image \`${reference}\` holds \`${file}\`, which would change what runs it.`, {
      context: { image: reference, file },
      hint: 'Do not use this image; build one from a source that you trust.',
    });
  }
}

function assertSameImage(storage: ContainerStorage, { image }: ImageDescription, reference: string): void {
  if (`sha256:${storage.imageId}` === image.id) return;
  throw new TerokError('REFUSED', `The image \`${reference}\` changed while the bottle was made.`, { hint: 'Run the command again.' });
}

/** The resolver and hosts files are the bottle's own: nothing of the host's shows. Given files win over the ones made here. */
async function collectSeeds(
  profile: ContainerProfile,
  plan: BottlePlan,
  exec: ExecKind,
  given: readonly SeedFile[],
): Promise<readonly SeedFile[]> {
  const file = (path: string, content: string): SeedFile => ({ path, content, mode: 0o644, owner: 'root' });
  const network = [
    file('/etc/resolv.conf', 'nameserver 198.18.0.1\n'),
    file('/etc/hosts', `127.0.0.1 localhost ${plan.spec.slug}\n::1 localhost\n`),
  ];
  const way =
    exec === 'ssh'
      ? channelSeeds(await loadChannelIdentity(plan.stateDir), { proof: profile.provesItself })
      : requireWayWithoutSsh(profile).seeds();
  return [...new Map([...network, ...way, ...profile.seeds(plan), ...given].map((seed) => [seed.path, seed])).values()];
}

/** Removes what carries this attempt's label: a container of the same name that somebody else made stays. */
async function removeAttempt(host: PodmanHost, attempt: string, cause: unknown): Promise<void> {
  try {
    await removeLabelled(host, { [LABELS.attempt]: attempt });
  } catch (error) {
    throw new TerokError('RUNTIME_FAILED', `${messageOf(cause)} Then cleaning up failed: ${messageOf(error)}`, {
      cause,
      hint: 'Remove the bottle with `terok rm`.',
    });
  }
}
