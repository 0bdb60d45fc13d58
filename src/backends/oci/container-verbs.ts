/** What terok does with containers on the way from image to bottle and back: through Podman's service, or its program where that does not start. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type CallOptions, ignoreCodes, patient } from '../../core/index.ts';
import { parsePodmanJson } from './inspect.ts';
import type { PodmanHost } from './podman-host.ts';

/** One container in two spellings: arguments of the program, and body of a request. */
export interface ContainerRequest {
  readonly name: string;
  readonly argv: () => readonly string[];
  readonly spec: () => object;
}

export interface ContainerName {
  readonly id: string;
  /** For errors */
  readonly name: string;
}

const createdSchema = z.object({ Id: z.string() });

/** Returns the id of the new container. */
export async function createContainer(host: PodmanHost, request: ContainerRequest, options: CallOptions): Promise<string> {
  const action = `create the container \`${request.name}\``;
  if (!(await host.libpod.usable())) return (await host.call(action, request.argv(), options)).trim().split('\n').at(-1) ?? '';
  const { text } = await host.libpod.call(action, { method: 'POST', path: '/containers/create', body: request.spec(), ...options });
  return parsePodmanJson('a new container', text, createdSchema).Id;
}

/** Makes its namespaces and mounts, without its first process. */
export async function initContainer(host: PodmanHost, { id, name }: ContainerName, options: CallOptions): Promise<void> {
  await advance(host, `prepare the container \`${name}\``, ['init', id], options);
}

/** Starts its first process. */
export async function startContainer(host: PodmanHost, { id, name }: ContainerName, options: CallOptions): Promise<void> {
  await advance(host, `start the container \`${name}\``, ['start', id], options);
}

async function advance(
  host: PodmanHost,
  action: string,
  [verb, id]: readonly ['init' | 'start', string],
  options: CallOptions,
): Promise<void> {
  if (!(await host.libpod.usable())) await host.call(action, [verb, id], options);
  // 304: it is already so
  else await host.libpod.call(action, { method: 'POST', path: `/containers/${id}/${verb}`, accept: [304], ...options });
}

const listSchema = z.array(z.object({ Id: z.string(), Pid: z.number().nullish() })).nullish();
const removedSchema = z.array(z.object({ Err: z.unknown().optional() })).nullish();

/** Removes every container with all of these labels. False where something was in the way: then each has to be removed by itself. */
export async function removeContainers(host: PodmanHost, labels: readonly string[], options: CallOptions): Promise<boolean> {
  if (!(await host.libpod.usable())) {
    const filters = labels.flatMap((label) => ['--filter', `label=${label}`]);
    return (await host.run(['rm', '--force', '--time', '0', '--volumes', ...filters], options)).exitCode === 0;
  }
  const path = `/containers/json?all=true&filters=${encodeURIComponent(JSON.stringify({ label: labels }))}`;
  const { text } = await host.libpod.call('list containers', { method: 'GET', path, ...options });
  const results = await Promise.all(
    (parsePodmanJson('its containers', text, listSchema) ?? []).map((container) =>
      removeOne(host, container.Id, container.Pid ?? 0, options),
    ),
  );
  return results.every(Boolean);
}

async function removeOne(host: PodmanHost, id: string, pid: number, options: CallOptions): Promise<boolean> {
  await killFirstProcess(pid);
  const path = `/containers/${id}?force=true&v=true&timeout=0`;
  const { status, text } = await host.libpod.call(`remove the container \`${id}\``, {
    method: 'DELETE',
    path,
    accept: [404, 409, 500],
    ...options,
  });
  if (status === 404) return true;
  if (status >= 300) return false;
  const reports = text === '' ? [] : parsePodmanJson('a removed container', text, removedSchema);
  return (reports ?? []).every(({ Err }) => Err == null || Err === '');
}

const DEATH_MS = patient(500);
const POLL_MS = patient(2);

/** Podman looks after a process that it killed ten times a second; one that is gone by then is not waited for. */
async function killFirstProcess(pid: number): Promise<void> {
  if (!(await isFirstOfNamespace(pid))) return;
  await ignoreCodes(['ESRCH', 'EPERM'], async () => process.kill(pid, 'SIGKILL'));
  const deadline = performance.now() + DEATH_MS;
  while ((await isFirstOfNamespace(pid)) && performance.now() < deadline) await sleep(POLL_MS);
}

/** A process id that was given to somebody else meanwhile is that of an ordinary process. */
async function isFirstOfNamespace(pid: number): Promise<boolean> {
  if (pid <= 1) return false;
  const status = await ignoreCodes(['ENOENT', 'ESRCH'], () => readFile(`/proc/${pid}/status`, 'utf8'));
  return status !== undefined && /^NSpid:.*\t1$/m.test(status) && !/^State:\s+[ZX]/m.test(status);
}
