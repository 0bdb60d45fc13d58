// Checks the layer rules with dependency-cruiser. It cannot read TypeScript 7, so it is given a copy of src/ with the types
// stripped, in which type imports from other folders are ordinary imports: layers hold for types too. Needs a Node that strips types.
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { ROOT } from './setup.mjs';

/** All of src/: the text of each file by its path. */
export function readSources() {
  return new Map(globSync('src/**/*.ts', { cwd: ROOT }).map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]));
}

/**
 * One line for each import that breaks a rule of `.dependency-cruiser.cjs`.
 * A file that dependency-cruiser did not see is an error: the rules would hold for nothing.
 */
export function findViolations(sources) {
  const cache = path.join(ROOT, '.terok-cache');
  mkdirSync(cache, { recursive: true });
  const mirror = mkdtempSync(path.join(cache, 'layers-'));
  try {
    for (const [file, text] of sources) writeAsJavaScript(path.join(mirror, file), text);
    const { modules, summary } = cruise(mirror);
    const seen = new Set(modules.map(({ source }) => source.replace(/\.js$/, '.ts')));
    const unseen = [...sources.keys()].filter((file) => !seen.has(file));
    if (unseen.length > 0)
      throw new Error(`dependency-cruiser did not read ${unseen.length} of ${sources.size} files, such as ${unseen[0]}.`);
    return summary.violations.map(({ rule, from, to, cycle }) =>
      `${rule.name}: ${[from, ...(cycle?.map(({ name }) => name) ?? [to])].join(' → ')}`.replaceAll(/\.js\b/g, '.ts'),
    );
  } finally {
    rmSync(mirror, { recursive: true, force: true });
  }
}

function cruise(directory) {
  const argv = ['--config', path.join(ROOT, '.dependency-cruiser.cjs'), '--output-type', 'json', 'src'];
  const options = { cwd: directory, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 };
  const { stdout, stderr, error } = spawnSync(path.join(ROOT, 'node_modules/.bin/depcruise'), argv, options);
  if (error !== undefined || stdout === '') throw new Error(`dependency-cruiser printed nothing: ${error?.message ?? stderr}`);
  return JSON.parse(stdout);
}

function writeAsJavaScript(file, source) {
  const plain = source
    .replace(/^(import|export) type(?= [{*\w])(?=[^;]*? from '\.\.\/)/gms, '$1')
    .replace(/\bfrom '(\.[^']*)\.ts'/g, "from '$1.js'")
    .replace(/\bimport\('(\.[^']*)\.ts'\)/g, "import('$1.js')");
  const target = file.replace(/\.ts$/, '.js');
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, stripTypeScriptTypes(plain));
}

if (process.argv[1] === import.meta.filename) {
  const sources = readSources();
  const violations = findViolations(sources);
  console.log(violations.join('\n') || `The layers hold in all ${sources.size} files.`);
  process.exit(violations.length === 0 ? 0 : 1);
}
