import type { Suite } from '../row.ts';
import { type EgressBench, openEgressBench } from './egress-bench.ts';
import { EGRESS_ROWS } from './rows/index.ts';

/** Attacks on the network of a bottle and on the credentials that its gateway adds. */
export const EGRESS_SUITE: Suite<EgressBench> = { name: 'egress', rows: EGRESS_ROWS, open: openEgressBench };
