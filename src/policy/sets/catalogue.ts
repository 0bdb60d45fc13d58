import type { EgressSetName } from '../../core/config/index.ts';
import type { ConfiguredRoute } from '../../core/resolve/index.ts';
import type { HostFiles } from './host-files.ts';
import { cargoRegistries, debianMirrors, goProxies, mavenRepositories, npmRegistries, pythonIndexes } from './package-managers.ts';
import type { Registries } from './registry.ts';

/** What one set opens, in words, and how its routes are made. */
export type SetEntry = { readonly title: string } & (
  | { readonly kind: 'packages'; readonly registries: (host: HostFiles) => Promise<Registries> }
  | { readonly kind: 'git' | 'model'; readonly routes: readonly ConfiguredRoute[] }
);

const READ = ['GET', 'HEAD'];

/** Reading web pages, API and files of a forge, and fetching over HTTPS; nothing that changes anything there. */
function forge(name: string, hosts: readonly string[], git: string): readonly ConfiguredRoute[] {
  const inspect = { ports: [443], mode: 'inspect' as const };
  return [
    { name: `set-${name}`, hosts: [...hosts], ...inspect, methods: READ },
    { name: `set-${name}-fetch`, hosts: [git], ...inspect, methods: ['POST'], paths: ['/*/*/git-upload-pack', '/*/*/*/git-upload-pack'] },
  ];
}

interface Provider {
  readonly host: string;
  readonly header: string;
  readonly prefix?: string;
  readonly env: string;
  readonly paths: readonly string[];
}

/** The key comes from the vault: without it, anybody's key could carry data to the same host. */
function provider(name: string, { host, paths, ...inject }: Provider): SetEntry {
  const route: ConfiguredRoute = {
    name: `set-${name}`,
    hosts: [host],
    ports: [443],
    mode: 'inspect',
    paths: [...paths],
    inject: { secret: name, ...inject },
  };
  return { kind: 'model', title: `The API of ${host}, with the stored secret \`${name}\``, routes: [route] };
}

const bearer = { header: 'authorization', prefix: 'Bearer ' } as const;

/** Every set, by the name that `egress.sets` takes. */
export const SETS: Readonly<Record<EgressSetName, SetEntry>> = {
  npm: { kind: 'packages', title: 'Packages of npm, pnpm and yarn', registries: npmRegistries },
  pypi: { kind: 'packages', title: 'Packages of pip and uv', registries: pythonIndexes },
  crates: { kind: 'packages', title: 'Crates of cargo', registries: cargoRegistries },
  go: { kind: 'packages', title: 'Modules of Go', registries: goProxies },
  maven: { kind: 'packages', title: 'Artifacts of Maven', registries: mavenRepositories },
  debian: { kind: 'packages', title: 'Packages of apt', registries: debianMirrors },
  'github-read': {
    kind: 'git',
    title: 'Reading and fetching from GitHub',
    routes: forge(
      'github-read',
      ['github.com', 'api.github.com', 'codeload.github.com', 'raw.githubusercontent.com', 'objects.githubusercontent.com'],
      'github.com',
    ),
  },
  'gitlab-read': { kind: 'git', title: 'Reading and fetching from GitLab', routes: forge('gitlab-read', ['gitlab.com'], 'gitlab.com') },
  'codeberg-read': {
    kind: 'git',
    title: 'Reading and fetching from Codeberg',
    routes: forge('codeberg-read', ['codeberg.org'], 'codeberg.org'),
  },
  anthropic: provider('anthropic', { host: 'api.anthropic.com', header: 'x-api-key', env: 'ANTHROPIC_API_KEY', paths: ['/v1'] }),
  openai: provider('openai', { host: 'api.openai.com', ...bearer, env: 'OPENAI_API_KEY', paths: ['/v1'] }),
  google: provider('google', {
    host: 'generativelanguage.googleapis.com',
    header: 'x-goog-api-key',
    env: 'GEMINI_API_KEY',
    paths: ['/v1', '/v1beta'],
  }),
  mistral: provider('mistral', { host: 'api.mistral.ai', ...bearer, env: 'MISTRAL_API_KEY', paths: ['/v1'] }),
  openrouter: provider('openrouter', { host: 'openrouter.ai', ...bearer, env: 'OPENROUTER_API_KEY', paths: ['/api/v1'] }),
  deepseek: provider('deepseek', { host: 'api.deepseek.com', ...bearer, env: 'DEEPSEEK_API_KEY', paths: ['/'] }),
};
