import { lstat, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type ImageStore, ignoreCodes, runOrThrow, type StoredImage, TerokError } from '../core/index.ts';
import { type Architecture, installPackages, type PackageVersion } from './npm-packages.ts';

/** What an image needs to know of an agent; the roster's entries have this shape. */
export interface ImageAgent {
  readonly name: string;
  readonly binary: string;
  readonly install: {
    readonly npm: { readonly package: string; readonly version: string };
    readonly program?: { readonly x64: string; readonly arm64: string } | undefined;
    readonly drop: readonly string[];
    readonly postInstall: readonly (readonly string[])[];
  };
  readonly verify: readonly (readonly string[])[];
}

export interface AgentLayerOptions {
  readonly store: ImageStore;
  readonly baseReference: string;
  readonly reference: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly agents: readonly ImageAgent[];
  readonly packages: readonly PackageVersion[];
  readonly architecture: Architecture;
  readonly stagingDir: string;
  readonly onLine: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Where the packages are in the image. */
const HOME = '/opt/terok';

/** Changes whenever this module makes another image of the same inputs. */
export const AGENT_LAYER_RECIPE = 1;

/** Node itself, as a package without dependencies, and npm for the projects that agents work on. */
export function toolPackages(architecture: Architecture): readonly { readonly name: string; readonly wanted: string }[] {
  return [
    { name: `node-linux-${architecture}`, wanted: 'latest' },
    { name: 'npm', wanted: 'latest' },
  ];
}

/** Makes the image with Node and the agents: the host fetches, the build (without a network) copies, finishes and verifies. */
export async function makeAgentLayer(options: AgentLayerOptions): Promise<StoredImage> {
  const context = path.join(options.stagingDir, 'context');
  const root = path.join(context, 'root');
  const home = path.join(root, HOME);
  await mkdir(home, { recursive: true });
  await mkdir(path.join(root, 'usr/local/bin'), { recursive: true });
  await installPackages(home, options.packages, options);
  await removeUnneeded(home, options);
  await linkPrograms(root, home, options);
  await writeFile(path.join(home, 'finish.sh'), finishScript(options.agents));
  // The host's umask must not decide who can read the image's files
  await runOrThrow(['chmod', '-R', 'u+rwX,go+rX,go-w', '--', root], { timeoutMs: 300_000 });
  await writeFile(path.join(context, 'Containerfile'), containerfile(options.baseReference));
  return await options.store.build({
    contextDir: context,
    reference: options.reference,
    labels: options.labels,
    onProgress: options.onLine,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

function containerfile(base: string): string {
  return [`FROM ${base}`, 'USER root', 'COPY root/ /', `RUN ["/bin/sh", "${HOME}/finish.sh"]`, 'ENV LANG=C.UTF-8', 'WORKDIR /', ''].join(
    '\n',
  );
}

/** Post-install steps as root, then the checks as the agent user in a home that is thrown away. */
function finishScript(agents: readonly ImageAgent[]): string {
  const steps = agents.flatMap(({ install }) => install.postInstall).map(quoteAll);
  const checks = agents.flatMap(({ verify }) => verify).map(quoteAll);
  return `set -eu
cd ${HOME}
${steps.join('\n')}
node --version
home=$(mktemp -d)
chown 1000:1000 "$home"
${checks.map((check) => `setpriv --reuid=1000 --regid=1000 --clear-groups env HOME="$home" ${check}`).join('\n')}
rm -rf "$home" ${HOME}/finish.sh
`;
}

function quoteAll(argv: readonly string[]): string {
  return argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

async function removeUnneeded(home: string, { agents, architecture }: AgentLayerOptions): Promise<void> {
  const modules = path.join(home, 'node_modules');
  const node = path.join(modules, `node-linux-${architecture}`);
  const dropped = agents.flatMap(({ install }) => install.drop).map((name) => path.join(modules, name));
  const unneeded = [
    ...dropped,
    path.join(node, 'include'),
    path.join(node, 'share'),
    path.join(node, 'CHANGELOG.md'),
    path.join(modules, '.bin'),
  ];
  await Promise.all(unneeded.map((target) => rm(target, { recursive: true, force: true })));
}

/** Links in `/usr/local/bin`; links cost nothing, where a package's own post-install step would copy its program. */
async function linkPrograms(root: string, home: string, { agents, architecture }: AgentLayerOptions): Promise<void> {
  const npm = 'npm/bin';
  const links: (readonly [string, string])[] = [
    ['node', `node-linux-${architecture}/bin/node`],
    ['npm', `${npm}/npm-cli.js`],
    ['npx', `${npm}/npx-cli.js`],
  ];
  for (const agent of agents) links.push([agent.binary, await programOf(agent, home, architecture)]);
  for (const [name, target] of links) {
    await assertProgram(home, target, name);
    await symlink(`${HOME}/node_modules/${target}`, path.join(root, 'usr/local/bin', name));
  }
}

const packageJson = z.object({ bin: z.union([z.string(), z.record(z.string(), z.string())]).optional() });

async function programOf({ binary, install }: ImageAgent, home: string, architecture: Architecture): Promise<string> {
  if (install.program !== undefined) return install.program[architecture];
  const name = install.npm.package;
  const { bin } = packageJson.parse(JSON.parse(await readFile(path.join(home, 'node_modules', name, 'package.json'), 'utf8')));
  const relative = typeof bin === 'string' ? bin : bin?.[binary];
  if (relative === undefined) {
    throw new TerokError('IMAGE_UNAVAILABLE', `The npm package \`${name}\` has no program \`${binary}\`.`, {
      hint: 'Correct `binary` or set `install.program` in the agent’s roster file.',
    });
  }
  return path.posix.join(name, path.posix.normalize(`/${relative}`));
}

async function assertProgram(home: string, target: string, name: string): Promise<void> {
  const stat = await ignoreCodes(['ENOENT', 'ENOTDIR'], () => lstat(path.join(home, 'node_modules', target)));
  if (stat?.isFile() === true) return;
  throw new TerokError('IMAGE_UNAVAILABLE', `The npm packages hold no file \`${target}\` for the program \`${name}\`.`, {
    context: { target, name },
    hint: 'The package was changed by its makers; set another `install.npm.version` or correct `install.program` in the roster file.',
  });
}
