// Checks the layer rules with dependency-cruiser. It cannot read TypeScript 7, so it is given a copy of src/ with the types
// stripped, in which type imports from other folders are ordinary imports: layers hold for types too. Needs a Node that strips types.
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { ROOT } from './setup.mjs';

const mirror = path.join(ROOT, '.terok-cache', `layers-${process.pid}`);

try {
  for (const file of globSync('src/**/*.ts', { cwd: ROOT })) copyAsJavaScript(file);
  const argv = ['--config', path.join(ROOT, '.dependency-cruiser.cjs'), '--output-type', 'err', 'src'];
  const { status, stdout, stderr } = spawnSync(path.join(ROOT, 'node_modules/.bin/depcruise'), argv, { cwd: mirror, encoding: 'utf8' });
  process.stdout.write(stdout.replaceAll(/(src\/\S+)\.js/g, '$1.ts'));
  process.stderr.write(stderr);
  // Without any module the rules would hold for nothing.
  process.exitCode = / 0 modules/.test(stdout) ? 1 : (status ?? 1);
} finally {
  rmSync(mirror, { recursive: true, force: true });
}

function copyAsJavaScript(file) {
  const source = readFileSync(path.join(ROOT, file), 'utf8')
    .replace(/^(import|export) type(?= [{*\w])(?=[^;]*? from '\.\.\/)/gms, '$1')
    .replace(/\bfrom '(\.[^']*)\.ts'/g, "from '$1.js'")
    .replace(/\bimport\('(\.[^']*)\.ts'\)/g, "import('$1.js')");
  const target = path.join(mirror, file.replace(/\.ts$/, '.js'));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, stripTypeScriptTypes(source));
}
