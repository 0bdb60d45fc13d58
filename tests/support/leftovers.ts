import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { processesWith, type TerokCli } from './terok-cli.ts';

/** What terok's tasks would leave on the machine: containers, processes, namespaces, sockets, locks, records and branches. Empty is clean. */
export async function leftovers({ paths, root, env }: TerokCli): Promise<string[]> {
  const containers = await createPodmanBackend({ paths, env }).list();
  return [
    ...containers.map(({ id }) => `container of ${id}`),
    ...processesWith(root).map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`),
    ...mountsBelow(path.join(paths.runtime, 'b')),
    ...filesBelow(path.join(paths.runtime, 'b')),
    ...filesBelow(path.join(paths.state, 'bottles')),
    ...filesBelow(path.join(paths.state, 'runners')),
    ...filesBelow(path.join(paths.cache, 'staging')),
    ...filesBelow(paths.data).filter((file) => /\/tasks\/[^/]+\.git$|\/\.new-/.test(file)),
    ...filesBelow(root).filter((file) => file.endsWith('.lock')),
  ];
}

function filesBelow(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => path.join(dir, name)) : [];
}

function mountsBelow(dir: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(dir));
}
