/** Every row of the git suite. A new file of rows is imported here and spread into the list. */
import type { Row } from '../../row.ts';

export const GIT_ROWS: readonly Row[] = [];
