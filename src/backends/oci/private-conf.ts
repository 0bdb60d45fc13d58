import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, writePrivateFile } from '../../core/index.ts';
import { defaultConfFiles, formatConf, mergeConf, parseConf, readConfFiles } from './containers-conf.ts';
import type { Machine } from './machine.ts';
import { hasConfOverride } from './quirks.ts';

export interface ConfInputs {
  readonly env: NodeJS.ProcessEnv;
  readonly runtimeDir: string;
  readonly machine: Machine;
}

/** Settings that this machine needs, in a file of terok's own; the environment that makes Podman read it. */
export async function privateConf(inputs: ConfInputs, version: string): Promise<Record<string, string>> {
  const settings = requiredSettings(inputs.machine);
  if (settings === '') return {};
  const file = path.join(inputs.runtimeDir, 'containers.conf');
  if (hasConfOverride(version)) {
    await writeWhenDifferent(file, settings);
    return { CONTAINERS_CONF_OVERRIDE: file };
  }
  const user = await readConfFiles(defaultConfFiles(inputs.env, inputs.machine.uid));
  await writeWhenDifferent(file, formatConf(mergeConf(user, parseConf(settings))));
  return { CONTAINERS_CONF: file };
}

function requiredSettings(machine: Machine): string {
  const containers = machine.uid === 0 && !machine.mayRaiseLimits ? '[containers]\ndefault_ulimits = []\n' : '';
  const engine = machine.systemd ? '' : '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n';
  return containers + engine;
}

async function writeWhenDifferent(file: string, content: string): Promise<void> {
  const present = await ignoreCodes(['ENOENT'], () => readFile(file, 'utf8'));
  if (present !== content) await writePrivateFile(file, content);
}
