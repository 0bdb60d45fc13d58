/** Every row of the git suite. A new file of rows is imported here and spread into the list. */
import type { Row } from '../../row.ts';
import { FILE_ROWS } from './files.ts';
import { GATE_ROWS } from './gate.ts';
import { LEAK_ROWS } from './leaks.ts';
import { OTHER_ROAD_ROWS } from './other-road.ts';
import { PACK_ROWS } from './packs.ts';
import { PROGRAM_ROWS } from './programs.ts';
import { REVIEW_ROWS } from './review.ts';
import { TRANSPORT_ROWS } from './transports.ts';

export const GIT_ROWS: readonly Row[] = [
  ...PROGRAM_ROWS,
  ...GATE_ROWS,
  ...PACK_ROWS,
  ...REVIEW_ROWS,
  ...OTHER_ROAD_ROWS,
  ...TRANSPORT_ROWS,
  ...LEAK_ROWS,
  ...FILE_ROWS,
];
