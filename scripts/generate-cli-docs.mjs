// Writes docs/cli.md from the command table; with --check, fails when the file is stale. Needs a Node that runs TypeScript.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { renderCliDocs } from '../src/cli/render/docs.ts';
import { ROOT } from './setup.mjs';

const file = path.join(ROOT, 'docs/cli.md');
const text = renderCliDocs();

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('docs/cli.md is stale: run `node scripts/generate-cli-docs.mjs`.');
  process.exit(1);
}
