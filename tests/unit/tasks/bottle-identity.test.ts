import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { mintIdentity } from '../../../src/tasks/bottle-identity.ts';
import { createContext } from '../../../src/tasks/context.ts';
import { temporaryPaths } from '../../support/temporary-paths.ts';

it('takes a loopback address for a bottle that publishes ports, and for no other', async () => {
  await using temporary = await temporaryPaths();
  const context = createContext({ ...process.env, ...temporary.env });
  const registry = path.join(temporary.paths.state, 'loopback.json');
  const quiet = await mintIdentity(context, 'quiet', { hasCanary: false, publishes: false });
  expect([quiet.alias, existsSync(registry)]).toEqual([undefined, false]);
  const { alias } = await mintIdentity(context, 'server', { hasCanary: false, publishes: true });
  expect(alias).toMatch(/^127\.77\.\d+\.\d+$/);
});
