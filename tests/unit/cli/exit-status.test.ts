import { describe, expect, test } from 'vitest';
import { describeExit, exitStatusOf } from '../../../src/cli/exit-status.ts';
import type { ExitStatus } from '../../../src/core/index.ts';

const ENDS: readonly (readonly [ExitStatus, number, string])[] = [
  [{ kind: 'exited', code: 3 }, 3, 'with exit status 3'],
  [{ kind: 'signalled', signal: 'SIGKILL' }, 137, 'by SIGKILL'],
  [{ kind: 'timedOut' }, 124, 'when its time was up'],
  [{ kind: 'cancelled' }, 130, 'because it was cancelled'],
  [{ kind: 'lost', reason: 'terok was killed' }, 125, 'unseen: terok was killed'],
];

describe('the end of a command', () => {
  test.each(ENDS)('%j is %i for a shell', (end, status) => {
    expect(exitStatusOf(end)).toBe(status);
  });

  test.each(ENDS)('%j has words for people', (end, _status, words) => {
    expect(describeExit(end)).toBe(words);
  });
});
