/*
 * Scope: the registries that each package manager of this machine's user is set to. Out of scope: what a bottle installs from them, and
 * tokens, which stay where they are. Fail-safe direction: a registry that no setting names is not opened.
 */
import path from 'node:path';
import { readHostSources } from '../../images/index.ts';
import { expand, type HostFiles, parseKeyValues, readHostFile } from './host-files.ts';
import { type Registries, toRegistries } from './registry.ts';

type Address = readonly [address: string, from: string];

/** `.npmrc` of the user and the machine, and npm's variables. */
export async function npmRegistries(host: HostFiles): Promise<Registries> {
  const { env } = host;
  const files = [
    env.npm_config_userconfig ?? env.NPM_CONFIG_USERCONFIG ?? path.join(host.home, '.npmrc'),
    env.npm_config_globalconfig ?? env.NPM_CONFIG_GLOBALCONFIG ?? path.join(host.etc, 'npmrc'),
  ];
  const entries = await keyValuesOf(files, host);
  const named = entries.filter(([key]) => key === 'registry' || /^@[^:]+:registry$/.test(key));
  const variable = env.npm_config_registry ?? env.NPM_CONFIG_REGISTRY;
  const main: Address | undefined = variable !== undefined ? [variable, 'npm_config_registry'] : pick(named, 'registry');
  const scoped = named.filter(([key]) => key !== 'registry').map(([, value, from]): Address => [value, from]);
  return toRegistries([...(main === undefined ? [] : [main]), ...scoped], 'name one with `npm config set registry ADDRESS`');
}

/** `pip.conf` of the user and the machine, and the variables of pip and uv. */
export async function pythonIndexes(host: HostFiles): Promise<Registries> {
  const { env } = host;
  const config = env.XDG_CONFIG_HOME ?? path.join(host.home, '.config');
  const files = [
    ...(env.PIP_CONFIG_FILE === undefined ? [] : [env.PIP_CONFIG_FILE]),
    path.join(config, 'pip/pip.conf'),
    path.join(host.home, '.pip/pip.conf'),
    path.join(host.etc, 'pip.conf'),
    path.join(host.etc, 'xdg/pip/pip.conf'),
  ];
  const entries = await keyValuesOf(files, host);
  const ofKey = (name: string): Address[] =>
    entries
      .filter(([key]) => new RegExp(`^(?:global|install|download)\\.${name}$`).test(key.replaceAll('_', '-')))
      .flatMap(([, value, from]) =>
        value
          .split(/\s+/)
          .filter((word) => word !== '')
          .map((word): Address => [word, from]),
      );
  const variable = variables(env, ['PIP_INDEX_URL', 'UV_INDEX_URL', 'UV_DEFAULT_INDEX']);
  const main = variable[0] ?? ofKey('index-url')[0];
  const extra = [...variables(env, ['PIP_EXTRA_INDEX_URL', 'UV_EXTRA_INDEX_URL']), ...ofKey('extra-index-url')];
  return toRegistries([...(main === undefined ? [] : [main]), ...extra], 'name one with `pip config set global.index-url ADDRESS`');
}

/** `config.toml` of cargo: replaced sources and registries. Its lines of the form `key = "value"` are all that matters here. */
export async function cargoRegistries(host: HostFiles): Promise<Registries> {
  const { env } = host;
  const home = env.CARGO_HOME ?? path.join(host.home, '.cargo');
  const entries = await keyValuesOf([path.join(home, 'config.toml'), path.join(home, 'config')], host);
  const valueOf = (key: string): readonly [string, string, string] | undefined => entries.find(([name]) => name === key);
  const replaced = env.CARGO_SOURCE_CRATES_IO_REPLACE_WITH ?? valueOf('source.crates-io.replace-with')?.[1];
  const mirror = replaced === undefined ? undefined : (valueOf(`source.${replaced}.registry`) ?? valueOf(`registries.${replaced}.index`));
  const others = entries.filter(([key]) => /^registries\..+\.index$/.test(key)).map(([, value, from]): Address => [value, from]);
  return toRegistries(
    [...(mirror === undefined ? [] : [[mirror[1], mirror[2]] as const]), ...others],
    'replace the source `crates-io`, or add one to `registries`, in `~/.cargo/config.toml`',
  );
}

/** `GOPROXY` and `GOSUMDB`, as variables or as `go env -w` keeps them. */
export async function goProxies(host: HostFiles): Promise<Registries> {
  const { env } = host;
  const file = env.GOENV ?? path.join(env.XDG_CONFIG_HOME ?? path.join(host.home, '.config'), 'go/env');
  const entries = file === 'off' ? [] : await keyValuesOf([file], host);
  const setting = (name: string): Address =>
    env[name] !== undefined && env[name] !== '' ? [env[name], name] : (pick(entries, name) ?? ['off', 'nothing']);
  const [proxies, from] = setting('GOPROXY');
  const [sums, sumsFrom] = setting('GOSUMDB');
  const words = proxies.split(/[,|]/).map((word) => word.trim());
  const sum = sums.split(/\s+/)[1] ?? `https://${sums.split(/[\s+]/)[0] ?? ''}`;
  return toRegistries(
    [
      ...words.filter((word) => word !== '' && word !== 'direct' && word !== 'off').map((word): Address => [word, from]),
      ...(sums === 'off' ? [] : [[sum, sumsFrom] as const]),
    ],
    'name them with `go env -w GOPROXY=ADDRESS GOSUMDB=NAME`',
  );
}

/** `settings.xml` of Maven: mirrors, and repositories of profiles. */
export async function mavenRepositories(host: HostFiles): Promise<Registries> {
  const addresses: Address[] = [];
  for (const file of [path.join(host.home, '.m2/settings.xml'), path.join(host.etc, 'maven/settings.xml')]) {
    const text = ((await readHostFile(file)) ?? '').replaceAll(/<!--[\s\S]*?-->/g, '');
    for (const [, body = ''] of text.matchAll(
      /<(?:mirror|repository|pluginRepository)>([\s\S]*?)<\/(?:mirror|repository|pluginRepository)>/g,
    )) {
      // Maven ships a mirror that only blocks
      if (/<blocked>\s*true\s*<\/blocked>/.test(body)) continue;
      const url = /<url>\s*([^<\s]+)\s*<\/url>/.exec(body)?.[1];
      if (url !== undefined)
        addresses.push([expand(url.replaceAll('&amp;', '&').replaceAll('${env.', '${'), host.env), shortName(file, host)]);
    }
  }
  return toRegistries(addresses, 'name one as a mirror in `~/.m2/settings.xml`');
}

/** Where apt of this machine gets its packages. */
export async function debianMirrors(host: HostFiles): Promise<Registries> {
  const sources = (await readHostSources(host.etc)).filter(({ uri }) => /^https?:/.test(uri));
  return toRegistries(
    sources.map(({ uri }) => [uri, '/etc/apt'] as const),
    'name one in `/etc/apt/sources.list.d`',
  );
}

async function keyValuesOf(files: readonly string[], host: HostFiles): Promise<readonly (readonly [string, string, string])[]> {
  const texts = await Promise.all(files.map(async (file) => ({ file, text: (await readHostFile(file)) ?? '' })));
  return texts.flatMap(({ file, text }) =>
    parseKeyValues(text).map(([key, value]) => [key, expand(value, host.env), shortName(file, host)] as const),
  );
}

function pick(entries: readonly (readonly [string, string, string])[], key: string): Address | undefined {
  const found = entries.find(([name]) => name === key);
  return found === undefined ? undefined : [found[1], found[2]];
}

function variables(env: NodeJS.ProcessEnv, names: readonly string[]): Address[] {
  return names.flatMap((name) =>
    (env[name] ?? '')
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word): Address => [word, name]),
  );
}

function shortName(file: string, { home }: HostFiles): string {
  return file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file;
}
