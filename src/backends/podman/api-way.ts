import { type SeedFile, TerokError } from '../../core/index.ts';
import type { ContainerStorage } from '../oci/index.ts';
import type { BottleWay } from './bottle-way.ts';
import type { BottleContext } from './open-bottle.ts';

export const API_INIT_COMMAND: readonly string[] = ['/bin/sh', '/usr/lib/terok/init'];

export function apiSeeds(): readonly SeedFile[] {
  return [];
}

export async function openApiWay(_context: BottleContext, _storage: ContainerStorage, _signal?: AbortSignal): Promise<BottleWay> {
  throw new TerokError('UNSUPPORTED_BY_BACKEND', 'no sshd');
}
