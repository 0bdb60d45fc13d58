import { TerokError } from '../../core/index.ts';
import { removeContainers } from './container-verbs.ts';
import type { PodmanHost } from './podman-host.ts';
import { REMOVE_ATTEMPTS } from './quirks.ts';

const RETRY_DELAY_MS = 250;

/** Removes every container with all of these labels; none is success. */
export async function removeLabelled(
  host: PodmanHost,
  labels: Readonly<Record<string, string>>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const wanted = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  if (await removeContainers(host, wanted, options)) return;
  const filters = wanted.flatMap((label) => ['--filter', `label=${label}`]);
  const found = await host.call('list containers', ['ps', '--all', '--quiet', '--no-trunc', ...filters], options);
  for (const container of found.split('\n').filter((line) => line !== '')) await forceRemove(host, container, options);
}

/** Removes a container in whatever state it is; one that does not exist is success. Ends only when it is gone, or throws. */
export async function forceRemove(host: PodmanHost, nameOrId: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  let last = '';
  for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt += 1) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS * attempt));
    const result = await host.run(['rm', '--force', '--time', '0', '--volumes', nameOrId], options);
    last = result.stderr.toString('utf8').trim();
    const still = await host.run(['container', 'exists', nameOrId], options);
    if (still.exitCode === 1) return;
  }
  throw new TerokError('RUNTIME_FAILED', `The container \`${nameOrId}\` could not be removed: ${last.split('\n').at(-1) ?? ''}`, {
    context: { stderr: last },
    hint: 'Run `terok rm` again; if it stays, restart the host.',
  });
}
