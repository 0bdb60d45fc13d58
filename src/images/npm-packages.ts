/*
 * Scope: fetching the packages of agents from the npm registry. Scripts of packages never run on the host; everything lands
 * in a directory that only the image build reads. Out of scope: what the packages do inside a bottle.
 */
import { writeFile } from 'node:fs/promises';
import { helperEnvironment, isTerokError, messageOf, runOrThrow, TerokError } from '../core/index.ts';
import { runStep } from './run-step.ts';

export interface PackageVersion {
  readonly name: string;
  /** Exact version */
  readonly version: string;
}

export type Architecture = 'x64' | 'arm64';

const VIEW_TIMEOUT_MS = 60_000;
const INSTALL_TIMEOUT_MS = 20 * 60_000;
const EXACT = /^\d+\.\d+\.\d+[A-Za-z0-9.+-]*$/;

/** Variables of the user that npm reads: registry, proxy, certificate authorities. */
const NPM_VARIABLE =
  /^(?:npm_config_(?:registry|proxy|https_proxy|noproxy|cafile|userconfig|globalconfig|cache)|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/i;

/** The newest exact version that a version, range or tag stands for. */
export async function resolveVersion(name: string, wanted: string, signal?: AbortSignal): Promise<string> {
  if (EXACT.test(wanted)) return wanted;
  const argv = ['npm', 'view', `${name}@${wanted}`, 'version', '--json', '--loglevel=error', '--fetch-retries=1'];
  try {
    const result = await runOrThrow(argv, {
      env: npmEnvironment(),
      timeoutMs: VIEW_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    const parsed: unknown = JSON.parse(result.stdout.toString('utf8'));
    const version: unknown = Array.isArray(parsed) ? parsed.at(-1) : parsed;
    if (typeof version === 'string' && EXACT.test(version)) return version;
    throw new TerokError('IMAGE_UNAVAILABLE', `The npm registry has no version of \`${name}\` that matches \`${wanted}\`.`, {
      context: { name, wanted },
    });
  } catch (error) {
    if (isTerokError(error) && error.code !== 'RUNTIME_FAILED' && error.code !== 'TIMEOUT') throw error;
    throw registryError(`The version of \`${name}@${wanted}\` could not be looked up`, error);
  }
}

/** Installs packages and what they depend on into `<dir>/node_modules`, for the image's architecture, without running anything of theirs. */
export async function installPackages(
  dir: string,
  packages: readonly PackageVersion[],
  options: { readonly architecture: Architecture; readonly onLine: (line: string) => void; readonly signal?: AbortSignal },
): Promise<void> {
  await writeFile(
    `${dir}/package.json`,
    `${JSON.stringify({ private: true, dependencies: Object.fromEntries(packages.map(({ name, version }) => [name, version])) }, null, 2)}\n`,
  );
  const platform = ['--os=linux', `--cpu=${options.architecture}`, '--libc=glibc'];
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=http'];
  try {
    await runStep(['npm', 'install', '--ignore-scripts', '--omit=dev', ...platform, ...quiet], {
      cwd: dir,
      env: npmEnvironment(),
      timeoutMs: INSTALL_TIMEOUT_MS,
      onLine: options.onLine,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    if (isTerokError(error) && error.code !== 'RUNTIME_FAILED') throw error;
    throw registryError('The packages of the agents could not be installed', error);
  }
}

function npmEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => NPM_VARIABLE.test(entry[0]) && entry[1] !== undefined,
  );
  return helperEnvironment(Object.fromEntries(kept));
}

function registryError(what: string, error: unknown): TerokError {
  return new TerokError('IMAGE_UNAVAILABLE', `${what}: ${messageOf(error)}`, {
    hint: 'Check that `npm ping` reaches the registry; a company registry is set in `~/.npmrc`.',
    cause: error,
  });
}
