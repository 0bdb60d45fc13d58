import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Route, resolvePaths } from '../../src/core/index.ts';
import { identifyProject } from '../../src/projects/index.ts';
import type { TaskContext } from '../../src/tasks/context.ts';
import { loadSettings } from '../../src/tasks/effective-settings.ts';
import { createTerok } from '../../src/tasks/index.ts';
import { specify } from '../../src/tasks/plan-task.ts';
import { GitLab, mustGit } from './git-harness.ts';

interface Bench extends AsyncDisposable {
  /** Hosts of the gate in the policy of a task with this route; rejects where the task is refused */
  gateHostsWith(route: Partial<Route>): Promise<readonly string[] | undefined>;
}

/** A project whose repository has a remote, and whose work goes to an upstream and its forge on other hosts. */
async function openBench(): Promise<Bench> {
  const lab = await GitLab.create();
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH };
  for (const name of ['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME']) env[`TEROK_${name}_DIR`] = path.join(lab.root, name.toLowerCase());
  const source = await lab.userRepository('shop');
  await mustGit(source, ['remote', 'add', 'origin', 'git@remote.example.test:team/shop.git']);
  const terok = createTerok({ env });
  await terok.secrets.set('forge', 'forge-token-0123456789abcdef');
  const forge = { kind: 'gitea', api: 'https://api.example.test/api/v1', secret: 'forge' } as const;
  await terok.git.setUpstream(source, { url: 'https://upstream.example.test/team/shop.git', secret: 'forge', forge });
  const paths = resolvePaths(env);
  const context: TaskContext = { env, paths, onRepair: () => undefined, backend: () => Promise.reject(new Error('no backend is needed')) };
  const project = await identifyProject(paths, source);
  const config = await loadSettings(context, project);
  return {
    async gateHostsWith(route) {
      const routes: Route[] = [{ name: 'blind', hosts: ['elsewhere.example.test'], ports: [443], mode: 'passthrough', ...route }];
      const workload = { argv: ['true'], agent: undefined, agents: [] };
      const { spec } = await specify(context, { source, command: ['true'], routes }, { project, config, workload });
      return spec.egress.gateHosts;
    },
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}

describe('a route that nobody can look into', () => {
  test.each([
    ['of a remote of the repository', ['remote.example.test']],
    ['of the upstream', ['upstream.example.test']],
    ['of its forge', ['api.example.test']],
    ['of a forge that everybody knows', ['github.com']],
    ['that covers such a host', ['*.example.test']],
  ])('to a host %s keeps the task from starting', async (_name, hosts) => {
    await using bench = await openBench();
    await expect(bench.gateHostsWith({ hosts })).rejects.toMatchObject({
      code: 'INVALID_ROUTE',
      message: expect.stringContaining('through unseen'),
      hint: expect.stringContaining('forgeWrites: true'),
    });
    // The same hosts, where the gateway can read what is written, or where a person allowed it by name
    const owned = ['api.example.test', 'remote.example.test', 'upstream.example.test'];
    expect(await bench.gateHostsWith({ hosts, mode: 'inspect' })).toEqual(owned);
    expect(await bench.gateHostsWith({ hosts, forgeWrites: true })).toEqual(owned);
  });

  test('to another host is taken', async () => {
    await using bench = await openBench();
    expect(await bench.gateHostsWith({})).toContain('remote.example.test');
  });
});
