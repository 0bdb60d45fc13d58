// Writes docs/schemas/*.json from the zod schemas, for editors that check YAML while it is written; with --check, fails when one is
// stale. Needs a Node that runs TypeScript.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { repositoryRequestsSchema, settingsSchema } from '../src/core/config/index.ts';
import { egressPolicySchema } from '../src/core/resolve/index.ts';
import { ROOT } from './setup.mjs';

const SCHEMAS = {
  'config.json': ['Configuration of terok: config.yml and projects/<id>.yml', settingsSchema],
  'repository.json': ['What a repository asks for: .terok.yml', repositoryRequestsSchema],
  'policy.json': ['The policy of one bottle, as its gateway keeps it', egressPolicySchema],
};

const directory = path.join(ROOT, 'docs/schemas');
const stale = [];
for (const [name, [title, schema]] of Object.entries(SCHEMAS)) {
  const file = path.join(directory, name);
  const text = `${JSON.stringify({ title, ...z.toJSONSchema(schema, { io: 'input' }) }, null, 2)}\n`;
  if (!process.argv.includes('--check')) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) stale.push(`docs/schemas/${name}`);
}
if (stale.length > 0) {
  console.error(`${stale.join(', ')}: stale; run \`node scripts/generate-schemas.mjs\`.`);
  process.exit(1);
}
