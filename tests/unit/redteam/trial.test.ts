import { expect, test } from 'vitest';
import { Trial } from '../../../src/redteam/index.ts';

function judged(note: (trial: Trial) => void): string {
  const trial = new Trial();
  note(trial);
  return trial.judge().verdict;
}

test('an attack that fails proves something only where its control worked', () => {
  expect(judged((trial) => trial.attack('it', false))).toBe('not proven');
  expect(judged((trial) => trial.control('it', true))).toBe('not proven');
  const withControl = (worked: boolean) => (trial: Trial) => {
    trial.control('it', worked);
    trial.attack('it', false);
  };
  expect(judged(withControl(false))).toBe('not proven');
  expect(judged(withControl(true))).toBe('held');
});

test('one attack that gets through breaks the claim, whatever the row says beside', () => {
  const note = (trial: Trial): void => {
    trial.control('it', true);
    trial.attack('first', true);
    trial.attack('second', false);
    trial.cannotProve('reasons');
    trial.unsupported('reasons');
  };
  expect(judged(note)).toBe('broken');
});

test('a row that cannot be proven or is not supported says why', () => {
  const trial = new Trial();
  trial.control('it', true);
  trial.attack('it', false);
  trial.cannotProve('no such program here');
  expect(trial.judge()).toEqual({ verdict: 'not proven', reason: 'no such program here' });
});

test('what was seen is kept short', () => {
  const trial = new Trial();
  trial.attack('it', false, 'x'.repeat(10_000));
  expect(trial.observations[0]?.seen.length).toBeLessThan(400);
});
