import { renameSync, writeFileSync } from 'node:fs';
import type { EgressPolicy } from '../../core/egress-policy.ts';
import { messageOf } from '../../core/errors.ts';
import { EndedRoutes, endedRoutesFile, RouteExpiry } from '../egress/index.ts';
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
  const ended = new EndedRoutes(endedRoutesFile(plan.stateDir));
  const policy = ended.without(plan.policy);
  const parts = await createParts({ ...plan, policy }, files);
  let current = policy;
  let last: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
  const adopt = (next: EgressPolicy): void => {
    current = next;
    parts.egress.setPolicy(next);
    listeners.trim();
    expiry.watch(next);
    replacePlan(files.plan, { ...plan, policy: next });
    ended.save();
  };
  const setPolicy = (wanted: EgressPolicy): Promise<void> =>
    inTurn(async () => {
      const next = ended.without(wanted);
      await parts.assertSecrets(next);
      await listeners.change(next);
      adopt(next);
    });
  const expiry = new RouteExpiry(() => {
    const narrow = async (): Promise<void> => {
      const left = ended.without(current);
      await listeners.change(left);
      adopt(left);
    };
    inTurn(narrow).catch((error: unknown) => process.emitWarning(messageOf(error)));
  });
  if (policy !== plan.policy) replacePlan(files.plan, { ...plan, policy });
  ended.save();
  expiry.watch(policy);
  const gateway = new Gateway(parts, {
    setPolicy,
    shutdown,
    sockets: () => listeners.sockets,
    tcpTable: listeners.tcpTable,
    controlProof: plan.controlProof,
  });
  gateway.learn(policy);
  return gateway;
}

function replacePlan(file: string, plan: GatewayPlan): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, file);
}
