// Runs the programs of this repository with a Node that is new enough.
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { nodePath, ROOT, SetupError } from './setup.mjs';

/** Environment in which `node` and the programs of node_modules are found first. */
export function toolEnvironment(env = process.env) {
  const node = nodePath();
  if (node === undefined) throw new SetupError('No Node 24 or newer is installed; run `node scripts/setup.mjs`.');
  return { ...env, PATH: [path.dirname(node), path.join(ROOT, 'node_modules/.bin'), env.PATH].join(':') };
}

/** Runs a program and shows what it prints; gives its exit status, 1 where a signal ended it. */
export function runShown(argv, options = {}) {
  const [program, ...args] = argv;
  const result = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env: toolEnvironment(), ...options });
  if (result.error) throw new SetupError(`${program} cannot be run: ${result.error.message}`);
  if (result.signal !== null) console.error(`${program} was ended by ${result.signal}.`);
  return result.status ?? 1;
}

/** As `runShown`, but anything else than 0 is an error. */
export function runOrFail(argv, options = {}) {
  const status = runShown(argv, options);
  if (status !== 0) throw new SetupError(`\`${argv.join(' ')}\` ended with ${status}.`);
}

/** Runs a program and gives its exit status and everything that it printed. */
export function runCaptured(argv) {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const chunks = [];
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: toolEnvironment() });
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve({ status: 1, text: error.message }));
    child.on('close', (status) => resolve({ status: status ?? 1, text: Buffer.concat(chunks).toString('utf8') }));
  });
}
