/** Every row of the egress suite. A new file of rows is imported here and spread into the list. */
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';
import { NAME_ROWS } from './names.ts';

export const EGRESS_ROWS: readonly Row<EgressBench>[] = [...NAME_ROWS];
