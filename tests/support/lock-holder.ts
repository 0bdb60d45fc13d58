/** Takes the lock on a file and holds it: `node lock-holder.ts FILE`; says `held` once it has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../src/core/index.ts';

await withLock(process.argv[2] ?? '', async () => {
  process.stdout.write('held\n');
  await sleep(60_000);
});
