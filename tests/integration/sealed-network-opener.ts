/* Opens a sealed network as the CLI does, in a process that a test can kill. argv: the plan as JSON, then `reopen` for a repair. */

import type { GatewayPlan } from '../../src/sidecars/gateway/index.ts';
import { openSealedNetwork, reopenSealedNetwork } from '../../src/sidecars/gateway/index.ts';

const plan = JSON.parse(process.argv[2] ?? '') as GatewayPlan;
const sealed = await (process.argv[3] === 'reopen' ? reopenSealedNetwork : openSealedNetwork)(plan);
process.stdout.write('opened\n');
await sealed.ready;
process.stdout.write('ready\n');
