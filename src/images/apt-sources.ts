import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, TerokError } from '../core/index.ts';

/** One line of apt: where packages of one suite come from. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Absolute path of the keyring on the host */
  readonly signedBy?: string;
}

const SUPPORTED = /^(?:https?|file|copy):/;

/** The sources for a suite: the host's own, so that a company mirror and its keyring are used. Throws IMAGE_UNAVAILABLE where it has none. */
export async function aptSourcesFor(suite: string, etc = '/etc'): Promise<readonly AptSource[]> {
  const sources = (await readHostSources(etc)).filter(({ uri, components }) => SUPPORTED.test(uri) && components.includes('main'));
  const own = sources.filter((source) => baseSuite(source.suite) === suite).map((source) => ({ ...source, components: ['main'] }));
  if (own.some((source) => source.suite === suite)) return own;
  const release = await readRelease(etc);
  const isDebian = release.ID === 'debian';
  const moved = isDebian
    ? sources.filter(
        (source) => baseSuite(source.suite) === release.VERSION_CODENAME && source.suite !== `${release.VERSION_CODENAME}-backports`,
      )
    : [];
  if (moved.length > 0)
    return moved.map((source) => ({ ...source, suite: source.suite.replace(release.VERSION_CODENAME ?? '', suite), components: ['main'] }));
  throw new TerokError('IMAGE_UNAVAILABLE', `The apt sources of this machine name no mirror of Debian \`${suite}\`.`, {
    context: { suite },
    hint: 'Add a Debian mirror to `/etc/apt/sources.list.d`, or set `image.base` to an archive, a root filesystem or a registry reference.',
  });
}

/** The host's own release where it is Debian, otherwise `bookworm`. */
export async function defaultSuite(etc = '/etc'): Promise<string> {
  const release = await readRelease(etc);
  return release.ID === 'debian' && release.VERSION_CODENAME !== undefined ? release.VERSION_CODENAME : 'bookworm';
}

/** One-line form, as mmdebstrap reads it. */
export function toAptLine({ uri, suite, components, signedBy }: AptSource): string {
  return `deb ${signedBy === undefined ? '' : `[signed-by=${signedBy}] `}${uri} ${suite} ${components.join(' ')}`;
}

/** Without user and password: what may be written into an image. */
export function withoutCredentials(source: AptSource): AptSource {
  if (!URL.canParse(source.uri)) return source;
  const url = new URL(source.uri);
  if (url.username === '' && url.password === '') return source;
  url.username = '';
  url.password = '';
  return { ...source, uri: url.href };
}

/** Every source that apt of this machine knows, whatever the suite. */
export async function readHostSources(etc: string): Promise<AptSource[]> {
  const dir = path.join(etc, 'apt/sources.list.d');
  const names = ((await ignoreCodes(['ENOENT'], () => readdir(dir))) ?? []).sort();
  const files = [path.join(etc, 'apt/sources.list'), ...names.map((name) => path.join(dir, name))];
  const texts = await Promise.all(
    files.map(async (file) => ({ file, text: (await ignoreCodes(['ENOENT', 'EACCES'], () => readFile(file, 'utf8'))) ?? '' })),
  );
  return texts.flatMap(({ file, text }) =>
    file.endsWith('.sources') ? parseDeb822(text) : file.endsWith('.list') ? parseOneLine(text) : [],
  );
}

/** The format of `*.sources`: stanzas of fields, continued lines start with a space. */
export function parseDeb822(text: string): AptSource[] {
  const uncommented = text.replaceAll(/^#.*\n?/gm, '');
  return uncommented.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const [, name, value] of stanza.matchAll(/^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)/gm))
      fields.set((name ?? '').toLowerCase(), (value ?? '').trim());
    const words = (name: string): string[] => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
    if (!words('types').includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') return [];
    return words('uris').flatMap((uri) =>
      words('suites').map((suite) => toSource(uri, suite, words('components'), fields.get('signed-by'))),
    );
  });
}

/** The format of `sources.list`: `deb [options] uri suite component…`. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const [, options, uri, suite, components] = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line) ?? [];
    if (uri === undefined || suite === undefined) return [];
    return [
      toSource(
        uri,
        suite,
        (components ?? '').split(/\s+/).filter((word) => word !== ''),
        /signed-by=(\S+)/.exec(options ?? '')?.[1],
      ),
    ];
  });
}

function toSource(uri: string, suite: string, components: readonly string[], signedBy: string | undefined): AptSource {
  return { uri, suite, components, ...(signedBy?.startsWith('/') === true && !/\s/.test(signedBy) ? { signedBy } : {}) };
}

function baseSuite(suite: string): string {
  return suite.replace(/(?:-updates|-security|\/updates)$/, '');
}

async function readRelease(etc: string): Promise<Partial<Record<string, string>>> {
  const text = (await ignoreCodes(['ENOENT'], () => readFile(path.join(etc, 'os-release'), 'utf8'))) ?? '';
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map(([, name = '', value = '']) => [name, value] as const));
}
