// `npm run lab -- COMMAND…` runs a command of the checkout in the lab; `npm run lab -- --shell` gives a terminal in it.
import { readFile } from 'node:fs/promises';
import { baseImage } from './base-image.ts';
import { runInLab } from './run-in-lab.ts';

const DEADLINE_MS = Number(process.env.TEROK_LAB_DEADLINE_S ?? 1800) * 1000;

const words = process.argv.slice(2);
const shell = words[0] === '--shell';
if (words.length === 0) {
  console.error('usage: npm run lab -- COMMAND [ARGUMENT…]\n       npm run lab -- --shell');
  process.exit(2);
}
const onStep = (message: string): void => console.error(`lab: ${message}`);
const image = await baseImage(onStep);
const given = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^TEROK_(?!.*_DIR$)/.test(name))) as Record<string, string>;
const request = {
  argv: shell ? ['bash'] : words,
  env: { ...given, TEROK_TEST_IMAGE: image },
  images: [image],
  deadlineMs: DEADLINE_MS,
  shell,
  onStep,
};
process.exitCode = await runInLab(request, async ({ exitCode, console: log }) => {
  if (exitCode === undefined) console.error(`lab: the machine ended without an exit code\n${(await readFile(log, 'utf8')).slice(-4000)}`);
  return exitCode ?? 1;
});
