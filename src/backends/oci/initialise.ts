import { readFile } from 'node:fs/promises';
import { type BottlePlan, TerokError } from '../../core/index.ts';
import type { ContainerProfile } from './container-profile.ts';
import { initContainer } from './container-verbs.ts';
import { parsePodmanJson } from './inspect.ts';
import { assertLimitsInForce } from './limits-in-force.ts';
import { assertInNamespace, readPid } from './network-guard.ts';
import { ociConfigSchema } from './oci-config.ts';
import type { PodmanHost } from './podman-host.ts';
import type { SeccompProfile } from './seccomp/profile.ts';
import type { ContainerStorage } from './storage-record.ts';
import { configDifferences } from './verify-config.ts';

/** What `initialiseVerified` holds the container against. */
export interface VerifyInputs {
  readonly profile: ContainerProfile;
  readonly seccomp: SeccompProfile;
  readonly namespacePath: string;
  readonly namespaceInode: number;
  readonly init: readonly string[];
}

/** Makes the namespaces and mounts of the container, without its first process, and refuses it unless all is as it must be. */
export async function initialiseVerified(
  host: PodmanHost,
  plan: BottlePlan,
  storage: ContainerStorage,
  inputs: VerifyInputs,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await initContainer(host, { id: storage.id, name: plan.runtimeName }, options);
  const config = parsePodmanJson('the runtime configuration', await readFile(storage.configFile, 'utf8'), ociConfigSchema);
  const differences = configDifferences(config, {
    plan,
    networkPath: inputs.namespacePath,
    seccomp: inputs.seccomp,
    init: inputs.init,
    profile: inputs.profile,
    limits: inputs.profile.limits(plan, host),
    ownDirs: storage.ownDirs,
    graphRoot: host.facts.graphRoot,
  });
  refuseDifferences(plan, differences);
  const pid = await readPid(storage.ownDirs);
  if (pid === undefined) throw new TerokError('RUNTIME_FAILED', `Podman left no process id for \`${plan.runtimeName}\`.`);
  const { madeDifferences } = inputs.profile;
  if (madeDifferences !== undefined) refuseDifferences(plan, madeDifferences(await readFile(`/proc/${pid}/mountinfo`, 'utf8')));
  await assertLimitsInForce(pid, plan, host, inputs.profile.limits(plan, host));
  await assertInNamespace(pid, inputs.namespaceInode, host.facts.rootless);
}

function refuseDifferences(plan: BottlePlan, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new TerokError('REFUSED', `The container is not confined as a bottle must be: ${differences.slice(0, 8).join('; ')}.`, {
    context: { slug: plan.spec.slug, differences },
    hint: 'Look for settings in containers.conf, mounts.conf or OCI hooks that change every container.',
  });
}
