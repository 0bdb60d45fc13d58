#!/usr/bin/env node
// Starts terok with a Node that is new enough: this one, or the one that the npm package `node` installed beside terok.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const REQUIRED_MAJOR = 24;
const root = fileURLToPath(new URL('..', import.meta.url));

if (Number.parseInt(process.versions.node, 10) < REQUIRED_MAJOR) {
  await startWithInstalledNode();
} else {
  module.enableCompileCache?.();
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
