// Bundles src/ to dist/, adds its types and what is not TypeScript. The old dist/ stays until the new one is complete.
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runOrFail } from './run-step.mjs';
import { ROOT, reportFailure } from './setup.mjs';

const target = path.join(ROOT, 'dist');
const fresh = path.join(ROOT, `dist.new-${process.pid}`);

/** Builds `dist/`; throws where the types are wrong. */
export function build() {
  try {
    runOrFail(['tsc', '-p', 'tsconfig.build.json', '--outDir', path.join(fresh, 'types')]);
    runOrFail(['node', 'scripts/bundle.mjs', fresh]);
    cpSync(path.join(ROOT, 'src/agents/roster'), path.join(fresh, 'roster'), { recursive: true });
    const old = `${fresh}.old`;
    if (existsSync(target)) renameSync(target, old);
    renameSync(fresh, target);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    build();
  } catch (error) {
    reportFailure(error);
  }
}
