// Writes the table of rows in docs/redteam.md; with --check, fails when it is stale. Needs a Node that runs TypeScript.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadSuite, SUITE_NAMES } from '../src/redteam/index.ts';
import { ROOT } from './setup.mjs';

const file = path.join(ROOT, 'docs/redteam.md');
const [BEGIN, END] = ['<!-- rows -->\n', '<!-- /rows -->\n'];
const before = readFileSync(file, 'utf8');
const cell = (text) => text.replaceAll('|', '\\|');

async function tableOf(name) {
  const { rows } = await loadSuite(name);
  const lines = rows.map(({ id, claim, attack, control }) => `| ${[id, claim, attack, control].map(cell).join(' | ')} |`);
  return [`### \`terok redteam ${name}\``, '', '| row | claim | attack | control |', '|---|---|---|---|', ...lines, ''].join('\n');
}

const tables = await Promise.all(SUITE_NAMES.map(tableOf));
const text = `${before.slice(0, before.indexOf(BEGIN) + BEGIN.length)}\n${tables.join('\n')}\n${before.slice(before.indexOf(END))}`;

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (before !== text) {
  console.error('docs/redteam.md is stale: run `node scripts/generate-redteam-docs.mjs`.');
  process.exit(1);
}
process.exit(0);
