import { mkdir } from 'node:fs/promises';
import { bottleDirs, resolvePaths } from '../../../src/core/index.ts';
import { acquireLoopbackAlias } from '../../../src/core/resolve/index.ts';

const paths = resolvePaths();
const slug = `alias-${process.argv[2]}`;
await mkdir(bottleDirs(paths, slug).stateDir, { recursive: true });
process.stdout.write(await acquireLoopbackAlias(paths, slug));
// Stays alive, because an alias without a record belongs to a living holder
await new Promise((resolve) => setTimeout(resolve, Number(process.env.HOLD_MS ?? 0)));
