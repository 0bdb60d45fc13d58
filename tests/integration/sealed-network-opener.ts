/*
 * Does what the CLI does with a sealed network, in a process that a test can kill or run as another user.
 * argv: the plan as JSON, then `open`, `reopen` or `close`.
 */
import { closeSealedNetwork, type GatewayPlan, openSealedNetwork, reopenSealedNetwork } from '../../src/sidecars/gateway/index.ts';

const plan = JSON.parse(process.argv[2] ?? '') as GatewayPlan;
const verb = process.argv[3];
if (verb === 'close') {
  await closeSealedNetwork(plan);
} else {
  const sealed = await (verb === 'reopen' ? reopenSealedNetwork : openSealedNetwork)(plan);
  process.stdout.write('opened\n');
  await sealed.ready;
  process.stdout.write('ready\n');
}
