// Finds what terok needs on this machine and installs it: npm packages, a current Node, Debian packages.
// Runs on Node 20 and newer with nothing installed, so it imports nothing but Node's own modules.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REQUIRED_MAJOR = 24;

/** Programs of the host that terok starts, with the Debian package that has each. */
export const PROGRAMS = [
  { program: 'podman', package: 'podman', why: 'makes the bottles' },
  { program: 'crun', package: 'crun', why: 'starts the processes of a bottle' },
  { program: 'git', package: 'git', why: 'holds the gate that bottles clone from and push to' },
  { program: 'mmdebstrap', package: 'mmdebstrap', why: 'makes the base image from a Debian mirror' },
  { program: 'ip', package: 'iproute2', why: 'sets up the sealed network' },
  { program: 'nsenter', package: 'util-linux', why: 'makes and enters network namespaces' },
  { program: 'prlimit', package: 'util-linux', why: 'limits what a push may use' },
  { program: 'newuidmap', package: 'uidmap', why: 'maps users where podman runs without root' },
];

/** Programs that only the tests start. */
export const TEST_PROGRAMS = [
  { program: 'git-lfs', package: 'git-lfs', why: 'is the client in tests of large files in the gate' },
  { program: 'curl', package: 'curl', why: 'is a second client in tests of the gateway' },
  { program: 'useradd', package: 'passwd', why: 'makes the user of the tests without root' },
  { program: 'pkill', package: 'procps', why: 'ends the processes of that user' },
  { program: 'openssl', package: 'openssl', why: 'checks certificates in tests' },
  { program: 'strace', package: 'strace', why: 'sees which programs a command starts' },
  { program: 'qemu-system-x86_64', package: 'qemu-system-x86', why: 'emulates the computer in which machines are tested' },
  { program: 'mke2fs', package: 'e2fsprogs', why: 'makes the disks of that computer' },
  { program: 'tmux', package: 'tmux', why: 'is the terminal of tests' },
  { program: 'zsh', package: 'zsh', why: 'reads its completion script in a test' },
  { program: 'fish', package: 'fish', why: 'reads its completion script in a test' },
  { program: 'wget', package: 'wget', why: 'is a client that must trust the gateway' },
  { program: 'httpx', package: 'python3-httpx', why: 'brings the HTTP client of Python that must trust the gateway' },
  { program: 'ruby', package: 'ruby', why: 'is a client that must trust the gateway' },
  { program: 'php', package: 'php-cli', why: 'is a client that must trust the gateway' },
  { program: 'php', package: 'php-curl', why: 'is the other way of PHP to ask a server' },
  { program: 'gh', package: 'gh', why: 'is a client that must trust the gateway' },
];

/**
 * What is missing, without changing anything.
 * @param {{ root?: string, env?: NodeJS.ProcessEnv, forTests?: boolean }} [options]
 */
export function findMissing({ root = ROOT, env = process.env, forTests = false } = {}) {
  const wanted = forTests ? [...PROGRAMS, ...TEST_PROGRAMS] : PROGRAMS;
  const programs = wanted.filter(({ program }) => findProgram(program, env) === undefined);
  const npm = staleModules(root);
  const node = nodePath(root);
  // `npm ci` also takes away the Node that an earlier set-up brought.
  const goes = npm !== undefined && node?.startsWith(path.join(root, 'node_modules'));
  return { npm, node: node === undefined || goes === true, programs };
}

/** A Node that is new enough: this one, or the one of the npm package `node`; undefined where there is none. */
export function nodePath(root = ROOT) {
  if (Number.parseInt(process.versions.node, 10) >= REQUIRED_MAJOR) return process.execPath;
  const own = path.join(root, 'node_modules/node/bin/node');
  return existsSync(own) ? own : undefined;
}

/**
 * Installs what is missing, after asking where a person can answer. Throws where it may not, or cannot.
 * @param {{ forTests?: boolean, yes?: boolean, env?: NodeJS.ProcessEnv }} [options]
 */
export async function setUp({ forTests = false, yes = process.argv.includes('--yes'), env = process.env } = {}) {
  const missing = findMissing({ env, forTests });
  if (missing.npm === undefined && !missing.node && missing.programs.length === 0) return;
  const steps = plan(missing, env);
  console.log('This is missing here:');
  for (const step of steps) console.log(`  ${step.what}: ${step.why}\n      ${step.commands.map((argv) => argv.join(' ')).join(' && ')}`);
  if (!(yes || env.CI === 'true' || (await confirmed(steps)))) throw new SetupError('Nothing was installed.');
  for (const step of steps) install(step, env);
  const left = findMissing({ env, forTests });
  if (left.npm !== undefined || left.node || left.programs.length > 0) {
    throw new SetupError(
      `Still missing after the installation: ${[left.npm, left.node && 'node', ...left.programs.map((each) => each.program)].filter(Boolean).join(', ')}`,
    );
  }
}

/** An error that is printed without a stack. */
export class SetupError extends Error {}

/** Prints a `SetupError` as a sentence, everything else as it is, and ends with 1. */
export function reportFailure(error) {
  console.error(error instanceof SetupError ? `error: ${error.message}` : error);
  process.exit(1);
}

function plan(missing, env) {
  const steps = [];
  if (missing.programs.length > 0) steps.push(debianStep(missing.programs, env));
  if (missing.npm !== undefined) {
    // Only the package `node` has an install script that is needed; no other one runs.
    steps.push({ what: 'npm packages', why: missing.npm, commands: [['npm', 'ci', '--ignore-scripts', '--loglevel=error']] });
  }
  if (missing.node) {
    steps.push({
      what: `Node ${REQUIRED_MAJOR} or newer`,
      why: 'the npm package `node` brings one',
      commands: [['npm', 'rebuild', 'node', '--loglevel=error']],
    });
  }
  return steps;
}

function debianStep(programs, env) {
  const packages = [...new Set(programs.map((each) => each.package))];
  const why = programs.map((each) => `${each.package} ${each.why}`).join('; ');
  if (findProgram('apt-get', env) === undefined) {
    throw new SetupError(
      `These programs are missing, and this is no Debian where they could be installed: ${programs.map((each) => each.program).join(', ')}.`,
    );
  }
  const asRoot = rootPrefix(env, packages);
  const apt = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  return {
    what: 'Debian packages',
    why,
    commands: [
      [...apt, 'update'],
      [...apt, 'install', '-y', '--no-install-recommends', ...packages],
    ],
  };
}

function rootPrefix(env, packages) {
  if (process.getuid?.() === 0) return [];
  if (findProgram('sudo', env) === undefined) {
    throw new SetupError(
      `Debian packages are missing, and neither root nor sudo is at hand. As root: apt-get install ${packages.join(' ')}`,
    );
  }
  return process.stdin.isTTY ? ['sudo'] : ['sudo', '-n'];
}

async function confirmed(steps) {
  if (!(process.stdin.isTTY && process.stdout.isTTY)) {
    const commands = steps.flatMap((step) => step.commands.map((argv) => `  ${argv.join(' ')}`)).join('\n');
    throw new SetupError(`There is no terminal to ask on. Run again with \`--yes\` or CI=true, or run by hand:\n${commands}`);
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^(?:|y|yes)$/i.test((await prompt.question('Install it? [Y/n] ')).trim());
  } finally {
    prompt.close();
  }
}

function install(step, env) {
  for (const [program, ...args] of step.commands) {
    const result = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env });
    if (result.status !== 0)
      throw new SetupError(
        `\`${[program, ...args].join(' ')}\` failed${result.error ? `: ${result.error.message}` : ` with ${result.status}`}.`,
      );
  }
}

/** Why `npm ci` is needed; undefined where the installed packages are those of the lock file. */
function staleModules(root) {
  const installed = readLock(path.join(root, 'node_modules/.package-lock.json'));
  if (installed === undefined) return 'they are not installed';
  const wanted = readLock(path.join(root, 'package-lock.json')) ?? {};
  const [different] =
    Object.entries(wanted).find(([name, entry]) => name !== '' && !entry.optional && installed[name]?.version !== entry.version) ?? [];
  return different === undefined ? undefined : `${different.replace('node_modules/', '')} is not the version of the lock file`;
}

function readLock(file) {
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/** System programs may be outside a user's PATH. */
function findProgram(name, env) {
  const directories = [...(env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories.map((directory) => path.join(directory, name)).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setUp({ forTests: process.argv.includes('--tests') }).then(
    () => console.log('Everything that terok needs is installed.'),
    reportFailure,
  );
}
