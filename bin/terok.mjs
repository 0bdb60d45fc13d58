#!/usr/bin/env node
// Starts terok with a Node that is new enough: this one, or the one that the npm package `node` installed beside terok.
import { existsSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIRED_MAJOR = 24;
const root = fileURLToPath(new URL('..', import.meta.url));

if (Number.parseInt(process.versions.node, 10) < REQUIRED_MAJOR) {
  await startWithInstalledNode();
} else {
  const cache = compiledCodeDir();
  if (cache !== undefined) module.enableCompileCache?.(cache);
  const entry = new URL('../dist/cli.js', import.meta.url);
  if (!existsSync(entry)) {
    process.stderr.write('error: terok is not built.\nhint: Run `npm run build`.\n');
    process.exit(122);
  }
  const { main } = await import(entry);
  process.exitCode = await main(process.argv.slice(2), process);
  await flush(process.stdout);
  await flush(process.stderr);
  process.exit();
}

/**
 * Below terok's own cache (as `resolvePaths` in src/core/paths.ts has it): Node's default lies in the common temporary directory, where
 * another user could put code that Node takes for its own. Undefined where it cannot be made: code is then compiled at each start.
 */
function compiledCodeDir() {
  const { TEROK_CACHE_DIR: own = '', XDG_CACHE_HOME: xdg = '' } = process.env;
  const base = path.isAbsolute(xdg) ? xdg : path.join(homedir(), '.cache');
  const dir = path.join(own === '' ? path.join(base, 'terok') : path.resolve(own), 'compiled');
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  } catch {
    return undefined;
  }
}

function flush(stream) {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve();
    else stream.write('', resolve);
  });
}

async function startWithInstalledNode() {
  const candidates = [`${root}node_modules/node/bin/node`, `${root}../node/bin/node`];
  const node = candidates.find((candidate) => existsSync(candidate));
  if (node === undefined) {
    process.stderr.write(
      `error: terok needs Node ${REQUIRED_MAJOR} or newer; this is ${process.versions.node}.\nhint: Run \`npm install node\` beside terok, or install a newer Node.\n`,
    );
    process.exit(122);
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both processes; this one only waits. Other signals are passed on.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`error: ${node} cannot be started: ${error.message}\n`);
    process.exit(122);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
