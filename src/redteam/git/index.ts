import type { RedBench } from '../bench/index.ts';
import type { Suite } from '../row.ts';
import { gitFlawNotes } from './git-flaws.ts';
import { GIT_ROWS } from './rows/index.ts';

/** Attacks on the git gate and on the repositories of the host. */
export const GIT_SUITE: Suite = { name: 'git', rows: GIT_ROWS, open: async (bench: RedBench) => bench, notes: gitFlawNotes };
