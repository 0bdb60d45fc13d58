import type { EgressPolicy } from '../../core/index.ts';
import { askGateway } from './control-client.ts';
import type { GatewayStatus } from './gateway.ts';
import { type NetworkDirs, networkFiles } from './network-files.ts';
import { recordedProcess } from './process-record.ts';
import { askStatus } from './readiness.ts';

export interface SealedNetworkStatus {
  readonly holder: 'alive' | 'gone';
  readonly keeper: 'alive' | 'gone';
  readonly gateway: 'serving' | 'silent' | 'gone';
  /** What a serving gateway says about itself */
  readonly detail?: GatewayStatus;
}

/** What of a bottle's network is alive. */
export async function sealedNetworkStatus(dirs: NetworkDirs): Promise<SealedNetworkStatus> {
  const files = networkFiles(dirs);
  const alive = (file: string): 'alive' | 'gone' => (recordedProcess(file) === undefined ? 'gone' : 'alive');
  const detail = await askStatus(files);
  const gateway = detail === undefined ? (alive(files.process) === 'alive' ? 'silent' : 'gone') : 'serving';
  return { holder: alive(files.holder), keeper: alive(files.keeper), gateway, ...(detail === undefined ? {} : { detail }) };
}

/** Gives a running gateway a new policy and keeps it on disk; a port that it adds is open when this resolves. */
export async function setNetworkPolicy(dirs: NetworkDirs, policy: EgressPolicy): Promise<void> {
  await askGateway(networkFiles(dirs).controlSocket, { command: 'setPolicy', policy });
}
