import type { RedBench } from '../bench/index.ts';
import type { Trial } from '../trial.ts';
import { runHostCommands } from './host-commands.ts';
import type { PoisonedRepository } from './poisoned.ts';

/** Every command of terok against everything that is planted, one observation for each command. */
export async function attackAll(trial: Trial, bench: RedBench, poisoned: PoisonedRepository): Promise<void> {
  await poisoned.touch();
  await poisoned.takeMarks();
  await runHostCommands(bench, poisoned.source, async ({ name, problem }) => {
    const marks = await poisoned.takeMarks();
    trial.attack(`terok ${name}`, marks.length > 0, marks.length > 0 ? marks : (problem ?? 'nothing ran'));
  });
}
