import path from 'node:path';
import { messageOf } from '../../core/index.ts';
import type { RedBench, RedBottle } from '../bench/index.ts';

/** What terok does on the host with a repository and with the work of a task, in the order of a task's life. */
export interface HostCommand {
  readonly name: string;
  /** Undefined where it went as it should; otherwise what it said */
  readonly problem: string | undefined;
}

const WORK = 'cd /work/* && echo agent > made.txt && git add made.txt && git commit -qm Agent && git push -q origin HEAD';

/** An upstream that nobody answers for: git and its helpers start all the same. */
const NOBODY = 'http://127.0.0.1:1/team/shop.git';

/** Runs a whole task on a repository and calls `after` when each command has ended. The bottle is the bench's to remove. */
export async function runHostCommands(
  bench: RedBench,
  source: string,
  after: (command: HostCommand, bottle: RedBottle | undefined) => Promise<void>,
): Promise<void> {
  const { terok } = bench;
  const bottles: RedBottle[] = [];
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const problem = await work().then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    await after({ name, problem }, bottles[0]);
  };
  await step('run', async () => {
    bottles.push(await bench.bottle({ source }));
  });
  const [made] = bottles;
  if (made === undefined) return;
  const { slug } = made;
  await step('push from the bottle', () => made.run(['sh', '-c', WORK]));
  await step('review', () => terok.reviews.open(slug));
  await step('diff', () => drain(terok.reviews.diff(slug)));
  await step('status', () => terok.status(slug));
  await step('list', () => terok.list());
  await step('reject', () => terok.reviews.reject(slug, 'No'));
  await step('approve', async () => terok.reviews.approve(slug, (await terok.reviews.open(slug)).digest));
  await step('apply', () => terok.apply(slug, { provenance: true }));
  await step('provenance verify', () => terok.verifyProvenance(source, `terok/${slug}`));
  await step('git sync', async () => {
    await terok.git.setUpstream(source, { url: NOBODY });
    await terok.git.sync(source);
  });
  await step('push', async () => terok.push(slug, { approve: (await terok.reviews.open(slug)).digest, provenance: true }));
  const hostPath = path.join(bench.directory, `copied-${slug}`);
  const bottlePath = `/work/${path.basename(source)}/made.txt`;
  await step('cp out', () => terok.copy({ slug, direction: 'out', hostPath, bottlePath, signal: bench.signal }));
  await step('cp in', () => made.copyIn(hostPath, '/tmp/copied'));
  await step('stop', () => terok.stop(slug));
  await step('rm', () => made.remove());
  await step('discard', async () => terok.discard((await bench.bottle({ source })).slug));
}

/** Commits files in the clone of the bottle, path and content in turn, and pushes them; gives what git said. */
export async function pushFiles(bottle: RedBottle, files: readonly string[]): Promise<string> {
  const script = `cd /work/* || exit 1
while [ $# -gt 1 ]; do mkdir -p "$(dirname -- "$1")" && printf %s "$2" > "$1" && git add -- "$1"; shift 2; done
git commit -qm Change && git push -q origin HEAD 2>&1`;
  return (await bottle.run(['sh', '-c', script, 'sh', ...files])).stdout;
}

async function drain(diff: Promise<AsyncIterable<unknown>>): Promise<void> {
  let count = 0;
  for await (const part of await diff) count += part === undefined ? 0 : 1;
  if (count === 0) throw new Error('the diff is empty');
}
