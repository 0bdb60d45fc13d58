import { resolvePaths } from '../../../src/core/index.ts';
import { reserveSlug } from '../../../src/core/resolve/index.ts';

// One letter of randomness for each of the first three places: the processes fight for the same few names
let calls = 0;
process.stdout.write(
  await reserveSlug(resolvePaths(), 'fix the login', (bound) => (calls++ % 4 === 3 ? Math.floor(Math.random() * bound) : 0)),
);
