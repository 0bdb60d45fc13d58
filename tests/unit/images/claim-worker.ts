import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { withClaim } from '../../../src/images/claim.ts';

/** A builder as its own process: `<claim file> <result file> <log file> <ms to build>`. */
const [claim, result, log, duration] = process.argv.slice(2) as [string, string, string, string];

const how = await withClaim<string>(claim, { isDone: async () => (existsSync(result) ? 'cached' : undefined) }, async () => {
  appendFileSync(log, `start ${process.pid}\n`);
  await new Promise((resolve) => setTimeout(resolve, Number(duration)));
  writeFileSync(result, String(process.pid));
  return 'built';
});
process.stdout.write(how);
