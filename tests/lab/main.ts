// `npm run lab -- COMMAND…` runs a command of the checkout in the lab; `npm run lab -- --shell` gives a terminal in it. With TEROK_LAB_AGENT the
// image with that agent is there too; TEROK_LAB_RESULTS_DIR is where results are copied to.
import { cp, readFile } from 'node:fs/promises';
import { agentImage, baseImage } from '../support/base-image.ts';
import { endWithSignal } from './end-with-signal.ts';
import { prepareLab, runInLab } from './run-in-lab.ts';

const DEADLINE_MS = Number(process.env.TEROK_LAB_DEADLINE_S ?? 1800) * 1000;

const words = process.argv.slice(2);
const shell = words[0] === '--shell';
if (words.length === 0) {
  console.error('usage: npm run lab -- COMMAND [ARGUMENT…]\n       npm run lab -- --shell');
  process.exit(2);
}
const work = { onStep: (message: string): void => console.error(`lab: ${message}`), signal: endWithSignal() };
try {
  const image = await baseImage(work.onStep);
  const name = process.env.TEROK_LAB_AGENT;
  const agent = name === undefined ? {} : { TEROK_TEST_AGENT_IMAGE: await agentImage(name, work.onStep) };
  const lab = await prepareLab([image, ...Object.values(agent)], work);
  const given = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^TEROK_(?!.*_DIR$)/.test(name))) as Record<
    string,
    string
  >;
  const request = { argv: shell ? ['bash'] : words, env: { ...given, TEROK_TEST_IMAGE: image, ...agent }, deadlineMs: DEADLINE_MS, shell };
  process.exitCode = await runInLab(lab, request, work, async ({ exitCode, results, console: log }) => {
    if (process.env.TEROK_LAB_RESULTS_DIR !== undefined) await cp(results, process.env.TEROK_LAB_RESULTS_DIR, { recursive: true });
    if (exitCode === undefined) console.error(`lab: the machine ended without an exit code\n${(await readFile(log, 'utf8')).slice(-4000)}`);
    return exitCode ?? 1;
  });
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
