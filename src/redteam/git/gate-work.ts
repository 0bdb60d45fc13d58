/** Pushes from a bottle to its gate, each beside one to a bare repository that takes everything. */
import type { RedBench, RedBottle } from '../bench/index.ts';
import type { Trial } from '../trial.ts';
import { PoisonedRepository } from './poisoned.ts';

/** A bottle with a clone of its own, and beside it a bare repository that takes everything: the control of every row here. */
export async function work(bench: RedBench, source?: string): Promise<RedBottle> {
  const bottle = await bench.bottle({ source: source ?? (await PoisonedRepository.create(bench)).source });
  await bottle.run(['sh', '-c', 'git init -q --bare /tmp/control.git']);
  return bottle;
}

export interface Pushed {
  /** The repository without a gate took it */
  readonly control: boolean;
  readonly taken: boolean;
  /** What the pusher was told */
  readonly said: string;
}

/** Runs a script in the clone, then pushes what it left to both. `$1`… are the words. */
export async function push(bottle: RedBottle, script: string, ...words: readonly string[]): Promise<Pushed> {
  const whole = `cd /work/* || exit 1
git checkout -q -B attempt origin/HEAD
${script}
git push -q --force /tmp/control.git HEAD:refs/heads/x >/dev/null 2>&1 && echo control
git push origin HEAD:$(git for-each-ref --format='%(refname)' 'refs/remotes/origin/terok/*' | sed 's,refs/remotes/origin,refs/heads,' | head -1) 2>&1 && echo taken`;
  const { stdout } = await bottle.run(['sh', '-c', whole, 'sh', ...words]);
  const lines = stdout.split('\n');
  return { control: lines.includes('control'), taken: lines.includes('taken'), said: stdout.slice(-1_500) };
}

/** Name of the attempt, script, and what the pusher must be told */
export type Attempt = readonly [name: string, script: string, told: RegExp];

export async function tryAll(trial: Trial, bottle: RedBottle, attempts: readonly Attempt[]): Promise<void> {
  for (const [name, script, told] of attempts) {
    const { control, taken, said } = await push(bottle, script);
    trial.control(`a repository without a gate takes ${name}`, control, said);
    trial.attack(`the gate takes ${name}`, taken, said);
    trial.attack(`the pusher is not told about ${name}`, !told.test(said), said);
  }
}
