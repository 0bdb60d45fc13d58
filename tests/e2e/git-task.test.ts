import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliHome, type CliResult } from '../integration/cli-process.ts';
import { Forge } from '../support/forge.ts';
import { type ModelEndpoint, startModelEndpoint } from '../support/model-endpoint.ts';

const execute = promisify(execFile);

const REAL_KEY = 'real-key-that-never-enters-a-bottle-4f1c9a7e2d';
/** Shaped as a token of a forge, put together here so that a scan of this file does not find one. */
const PLANTED = `ghp_${'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8'}`;
/** Longer than building an image with one agent takes on a slow line. */
const RUN_TIMEOUT_MS = 900_000;
const CLONE = '/work/shop';

/** How this machine reaches the npm registry. */
const REGISTRY_ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(?:npm_config_registry|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name)),
);

let home: CliHome;
let forge: Forge;
let repository: string;

beforeEach(async () => {
  home = new CliHome();
  forge = await Forge.start();
  await forge.createRepository('team/shop');
  repository = path.join(home.root, 'shop');
  await mkdir(repository);
  await git('init', '--quiet', '--initial-branch=main');
  await writeFile(path.join(repository, 'README.md'), '# Shop\n');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'Begin');
  await git('push', '--quiet', forge.directory('team/shop'), 'main');
});

afterEach(async () => {
  await terok(['rm', '--force', 'price']);
  await forge[Symbol.asyncDispose]();
  home.remove();
});

async function git(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.invalid'];
  return (await execute('git', ['-C', repository, ...identity, ...args])).stdout.trim();
}

async function atForge(...args: string[]): Promise<string> {
  return (await execute('git', ['-C', forge.directory('team/shop'), ...args])).stdout.trim();
}

function terok(args: readonly string[], input?: string): Promise<CliResult> {
  return home.run(args, { env: REGISTRY_ENVIRONMENT, ...(input === undefined ? {} : { input }) });
}

async function must(args: readonly string[], input?: string): Promise<string> {
  const { status, stdout, stderr } = await terok(args, input);
  expect(status, `terok ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

/** What the model makes the agent do: it plants a secret, is refused, and mends its commit. */
function startModel(address: string): Promise<ModelEndpoint> {
  return startModelEndpoint({
    apiKey: REAL_KEY,
    address,
    script: {
      steps: [
        { kind: 'write', path: `${CLONE}/price.ts`, content: 'export const price = 12;\n' },
        { kind: 'write', path: `${CLONE}/deploy.env`, content: `TOKEN=${PLANTED}\n` },
        { kind: 'shell', command: 'git add . && git commit -q -m "Raise the price" && git push; echo first-push-ended-with-$?' },
        {
          kind: 'shell',
          command: 'git rm -q -f deploy.env && git commit -q --amend --no-edit && git push; echo second-push-ended-with-$?',
        },
      ],
      farewell: 'The price is raised and pushed.',
    },
  });
}

it('a real agent is refused a secret, mends its commit, and its approved work becomes a pull request', {
  timeout: RUN_TIMEOUT_MS,
}, async (ctx) => {
  const host = hostname().toLowerCase();
  const found = await lookup(host, { family: 4 }).catch(() => undefined);
  if (found === undefined)
    return ctx.skip(`this host's own name \`${host}\` does not resolve, so a bottle cannot be routed to a server on this host`);
  await using model = await startModel(found.address);
  const server = { endpoint: `http://${host}:${model.port}`, privateNetworks: [`${found.address}/32`] };
  await writeFile(
    path.join(home.configDir, 'config.yml'),
    JSON.stringify({ models: { claude: server }, unenforcedLimits: ['memory', 'cpus', 'pids', 'files'] }),
  );
  await must(['secret', 'set', 'anthropic'], REAL_KEY);
  await must(['secret', 'set', 'forge'], forge.token);
  const api = ['--forge', 'gitea', '--forge-api', `${forge.url}/api/v1`, '--forge-secret', 'forge'];
  await must(['git', 'upstream', 'set', forge.remote('team/shop'), repository, '--secret', 'forge', ...api]);

  await must(['run', repository, '--name', 'price', '--agent', 'claude', '-p', 'Raise the price', '--json']);
  const last = model.requests.findLast(({ path: requestPath }) => /\/v1\/messages(?:\?|$)/.test(requestPath))?.body ?? '';
  expect(last).toMatch(/remote: [^"]*deploy\.env/);
  expect(last).toContain('first-push-ended-with-1');
  expect(last).toContain('second-push-ended-with-0');

  // Nothing left by itself, and nothing leaves before somebody looked
  expect(forge.pulls.get('team/shop')).toEqual([]);
  expect(await atForge('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
  const early = await terok(['push', 'price']);
  expect(early.status).not.toBe(0);
  expect(early.stderr).toContain('nobody approved it');

  const shown = JSON.parse(await must(['review', 'price', '--json'])) as { digest: string; new: string; files: { path: string }[] };
  expect(shown.files.map(({ path: file }) => file)).toEqual(['price.ts']);
  await must(['approve', 'price', '--review', shown.digest]);
  const pushed = JSON.parse(await must(['push', 'price', '--json'])) as { commit: string; pullRequest: { created: boolean } };
  expect(pushed).toMatchObject({ branch: 'terok/price', commit: shown.new, pullRequest: { created: true } });
  expect(await atForge('rev-parse', 'refs/heads/terok/price')).toBe(shown.new);
  expect(await atForge('ls-tree', '-r', '--name-only', shown.new)).toBe('README.md\nprice.ts');
  expect(await atForge('log', '--all', '--format=%H', `-S${PLANTED}`)).toBe('');
  expect(forge.pulls.get('team/shop')).toMatchObject([{ head: 'terok/price', base: 'main', title: 'Raise the price', state: 'open' }]);
  // The agent had no way to the forge, and the host's own repository was left alone
  expect(JSON.stringify(model.requests)).not.toContain(forge.token);
  expect(await git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
});
