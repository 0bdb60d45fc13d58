import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EGRESS_SET_NAMES, type EgressSetName, parseConfig, settingsSchema } from '../../../src/core/config/index.ts';
import { type ExpandedSet, expandSet } from '../../../src/policy/index.ts';
import { decide } from '../../../src/sidecars/egress/index.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'terok-sets-'));
});
afterEach(async () => await rm(root, { recursive: true, force: true }));

function put(file: string, text: string): void {
  const target = path.join(root, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

const expand = async (name: EgressSetName, env: NodeJS.ProcessEnv = {}): Promise<ExpandedSet> =>
  await expandSet({ name }, { home: path.join(root, 'home'), etc: path.join(root, 'etc'), env });
const servers = async (name: EgressSetName, env: NodeJS.ProcessEnv = {}): Promise<string[]> =>
  (await expand(name, env)).registries.map(({ host, port, from }) => `${host}:${port} ${from}`);

describe('where no setting names a registry, a set opens none and says how to name one', () => {
  test.each<[EgressSetName, RegExp]>([
    ['npm', /npm config set registry/],
    ['pypi', /pip config set global\.index-url/],
    ['crates', /config\.toml/],
    ['go', /go env -w GOPROXY/],
    ['maven', /settings\.xml/],
    ['debian', /sources\.list\.d/],
  ])('%s', async (name, advice) => {
    const { routes, registries, skipped } = await expand(name);
    expect({ routes, registries }).toEqual({ routes: [], registries: [] });
    expect(skipped).toEqual([{ address: 'the registry', from: 'this machine', why: expect.stringMatching(advice) }]);
  });
});

describe('a set is the registries that this machine is set to', () => {
  test('npm: registry, registries of scopes, and a token that is no part of it', async () => {
    put(
      'home/.npmrc',
      'registry=https://npm.company.example/repo/\n@acme:registry = "https://user:secret@packages.acme.example:8443"\n//npm.company.example/:_authToken=t0ken\n',
    );
    const set = await expand('npm');
    expect(set.registries.map(({ host, port, from }) => [host, port, from])).toEqual([
      ['npm.company.example', 443, '~/.npmrc'],
      ['packages.acme.example', 8443, '~/.npmrc'],
    ]);
    expect(JSON.stringify(set)).not.toMatch(/t0ken|secret@/);
    expect(await servers('npm', { npm_config_registry: 'https://other.example/' })).toEqual([
      'other.example:443 npm_config_registry',
      'packages.acme.example:8443 ~/.npmrc',
    ]);
  });

  test('npm: variables in the file are replaced', async () => {
    put('home/.npmrc', 'registry=https://${NPM_HOST}/\n');
    expect(await servers('npm', { NPM_HOST: 'npm.company.example' })).toEqual(['npm.company.example:443 ~/.npmrc']);
  });

  test('pip: index, extra indexes over several lines, variables', async () => {
    put(
      'home/.config/pip/pip.conf',
      '[global]\nindex-url = https://pip.company.example/simple\nextra-index-url =\n    https://one.example/simple\n    https://two.example/simple\n',
    );
    expect(await servers('pypi')).toEqual([
      'pip.company.example:443 ~/.config/pip/pip.conf',
      'one.example:443 ~/.config/pip/pip.conf',
      'two.example:443 ~/.config/pip/pip.conf',
    ]);
    expect((await servers('pypi', { PIP_INDEX_URL: 'https://index.example/simple' }))[0]).toBe('index.example:443 PIP_INDEX_URL');
  });

  test('cargo: a source that replaces crates.io, and further registries', async () => {
    put(
      'home/.cargo/config.toml',
      '[source.crates-io]\nreplace-with = "company" # mirror\n\n[source.company]\nregistry = "sparse+https://crates.company.example/index/"\n\n[registries.tools]\nindex = "sparse+https://tools.example/"\n',
    );
    expect(await servers('crates')).toEqual(['crates.company.example:443 ~/.cargo/config.toml', 'tools.example:443 ~/.cargo/config.toml']);
  });

  test('go: what `go env -w` wrote, and variables over it', async () => {
    put('home/.config/go/env', 'GOPROXY=https://go.company.example|https://proxy.example,direct\nGOSUMDB=off\n');
    expect(await servers('go')).toEqual(['go.company.example:443 ~/.config/go/env', 'proxy.example:443 ~/.config/go/env']);
    expect(await servers('go', { GOPROXY: 'off' })).toEqual([]);
  });

  test('maven: a mirror of everything, not what stands in comments', async () => {
    put(
      'home/.m2/settings.xml',
      '<settings><!-- <mirror><url>https://old.example</url></mirror> --><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>https://maven.company.example/all?a=1&amp;b=2</url></mirror></mirrors></settings>',
    );
    expect(await servers('maven')).toEqual(['maven.company.example:443 ~/.m2/settings.xml']);
  });

  test('maven: a mirror that only blocks is none', async () => {
    const mirror = (of: string, more = '') => `<mirror><mirrorOf>${of}</mirrorOf><url>http://0.0.0.0/</url>${more}</mirror>`;
    put('etc/maven/settings.xml', `<settings><mirrors>${mirror('external:http:*', '<blocked>true</blocked>')}</mirrors></settings>`);
    expect(await servers('maven')).toEqual([]);
    put('home/.m2/settings.xml', '<mirror><mirrorOf>*,!central</mirrorOf><url>https://rest.example/</url></mirror>');
    expect(await servers('maven')).toEqual(['rest.example:443 ~/.m2/settings.xml']);
  });

  test('apt: the sources of the machine', async () => {
    put(
      'etc/apt/sources.list.d/debian.sources',
      'Types: deb\nURIs: http://mirror.example:3142/debian\nSuites: bookworm\nComponents: main\n',
    );
    expect(await servers('debian')).toEqual(['mirror.example:3142 /etc/apt']);
  });
});

describe('what no route can stand for', () => {
  test.each([
    ['http://10.0.0.5:4873/', /never an IP address/],
    ['http://localhost:4873/', /host\.terok\.internal/],
    ['ftp://mirror.example/', /other means/],
    ['not an address', /no address/],
  ])('%s is left out, with the reason', async (address, why) => {
    const set = await expand('npm', { npm_config_registry: address });
    expect(set.registries).toEqual([]);
    expect(set.routes).toEqual([]);
    expect(set.skipped).toEqual([{ address, from: 'npm_config_registry', why: expect.stringMatching(why) }]);
  });

  test('a file that is a pipe or too large counts as absent', async () => {
    put('home/.npmrc', `registry=https://npm.company.example/\n${'#'.repeat(300_000)}`);
    expect(await servers('npm')).toEqual([]);
  });
});

describe('the routes of a set', () => {
  test.each(EGRESS_SET_NAMES.map((name) => [name]))('%s is accepted as configuration', async (name) => {
    const named = 'https://packages.example/';
    put('etc/apt/sources.list', 'deb http://mirror.example/debian bookworm main\n');
    put('home/.cargo/config.toml', '[registries.tools]\nindex = "sparse+https://tools.example/"\n');
    put('home/.m2/settings.xml', `<mirror><mirrorOf>*</mirrorOf><url>${named}</url></mirror>`);
    const { routes } = await expand(name, { npm_config_registry: named, PIP_INDEX_URL: named, GOPROXY: named });
    expect(routes.length).toBeGreaterThan(0);
    expect(() => parseConfig(JSON.stringify({ egress: { routes } }), 'x', settingsSchema)).not.toThrow();
  });

  test('packages can be read, not published', async () => {
    const { routes } = await expand('npm', { npm_config_registry: 'https://npm.company.example/' });
    const policy = {
      version: 1 as const,
      routes: routes.map(({ name, hosts, ports, mode, methods = [] }) => ({ name, hosts, ports, mode, methods })),
    };
    const ask = (method: string) => decide(policy, { name: 'npm.company.example', port: 443, method, target: '/x' }).allow;
    expect({ get: ask('GET'), put: ask('PUT'), post: ask('POST') }).toEqual({ get: true, put: false, post: false });
  });

  test('a forge can be fetched from, not pushed to or written to', async () => {
    const { routes } = await expand('github-read');
    const policy = {
      version: 1 as const,
      routes: routes.map(({ name, hosts, ports, mode, methods = [], paths }) => ({
        name,
        hosts,
        ports,
        mode,
        methods,
        ...(paths ? { paths } : {}),
      })),
    };
    const ask = (method: string, target: string, name = 'github.com') => decide(policy, { name, port: 443, method, target }).allow;
    expect(ask('GET', '/acme/shop.git/info/refs?service=git-upload-pack')).toBe(true);
    expect(ask('POST', '/acme/shop.git/git-upload-pack')).toBe(true);
    expect(ask('POST', '/acme/shop.git/git-receive-pack')).toBe(false);
    expect(ask('POST', '/gists', 'api.github.com')).toBe(false);
    expect(ask('POST', '/repos/acme/shop/issues', 'api.github.com')).toBe(false);
  });

  test('a private network for a company mirror is taken over', async () => {
    const wish = { name: 'npm' as const, privateNetworks: ['10.0.0.0/8'] };
    const { routes } = await expandSet(wish, { home: root, etc: root, env: { npm_config_registry: 'https://npm.company.example/' } });
    expect(routes[0]?.privateNetworks).toEqual(['10.0.0.0/8']);
  });

  test('a provider adds the stored secret, so that nobody else’s key is of use', async () => {
    for (const name of ['anthropic', 'openai', 'google', 'mistral', 'openrouter', 'deepseek'] as const)
      expect((await expand(name)).routes.every(({ inject }) => inject?.secret === name)).toBe(true);
  });
});

test('the configuration takes a name, or a name with private networks', () => {
  const read = (text: string) => parseConfig(text, 'config.yml', settingsSchema).egress?.sets;
  expect(read('egress: {sets: [npm, {name: pypi, privateNetworks: [10.0.0.0/8]}]}')).toEqual([
    { name: 'npm' },
    { name: 'pypi', privateNetworks: ['10.0.0.0/8'] },
  ]);
  expect(() => read('egress:\n  sets: [npm, nmp]\n')).toThrow(/line 2, column 15: `egress\.sets\.1.*expected one of npm, pypi.*got "nmp"/);
  expect(() => read('egress: {sets: [npm, npm]}')).toThrow(/each set once/);
});

test('two routes of one file that contradict each other are an error at the second one, which names both', () => {
  const text = `egress:
  routes:
    - { name: one, hosts: [a.example.com], mode: inspect }
    - { name: two, hosts: [b.example.com, a.example.com], mode: passthrough }
`;
  expect(() => parseConfig(text, 'config.yml', settingsSchema)).toThrow(
    /`config\.yml`, line 4, column \d+: `egress\.routes\.1\.name`: `a\.example\.com:443` is `inspect` in route `one` and `passthrough` in route `two`/,
  );
});
