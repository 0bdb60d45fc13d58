// Starts a bottle all of whose limits must hold, for whoever runs it, and prints what came of it.
import { isTerokError } from '../../../src/core/index.ts';
import { makeTestNetwork } from './network.ts';
import { openTestHost } from './test-bottle.ts';

const [image = '', root = ''] = process.argv.slice(2);

await using host = await openTestHost({ image, root });
const plan = await host.plan();
await using network = await makeTestNetwork(plan);
const outcome = await host.launch(plan, network).then(
  () => 'launched',
  (error: unknown) => (isTerokError(error) ? error.code : String(error)),
);
process.stdout.write(outcome);
