import { renameSync, writeFileSync } from 'node:fs';
import type { EgressPolicy } from '../../core/egress-policy.ts';
import { Gateway } from './gateway.ts';
import type { GatewayListeners } from './gateway-listeners.ts';
import { createParts } from './gateway-parts.ts';
import type { GatewayPlan } from './gateway-plan.ts';
import type { NetworkFiles } from './network-files.ts';

/** Puts the parts of a gateway together and keeps its plan on disk when the policy changes. */
export async function createGateway(
  plan: GatewayPlan,
  files: NetworkFiles,
  listeners: GatewayListeners,
  shutdown: () => void,
): Promise<Gateway> {
  const parts = await createParts(plan, files);
  let last: Promise<void> = Promise.resolve();
  const apply = async (policy: EgressPolicy): Promise<void> => {
    await parts.assertSecrets(policy);
    await listeners.change(policy);
    parts.egress.setPolicy(policy);
    listeners.trim();
    replacePlan(files.plan, { ...plan, policy });
  };
  const setPolicy = (policy: EgressPolicy): Promise<void> => {
    const turn = last.then(() => apply(policy));
    last = turn.catch(() => undefined);
    return turn;
  };
  const gateway = new Gateway(parts, { setPolicy, shutdown, sockets: () => listeners.sockets, tcpTable: listeners.tcpTable });
  gateway.learn(plan.policy);
  return gateway;
}

function replacePlan(file: string, plan: GatewayPlan): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, file);
}
