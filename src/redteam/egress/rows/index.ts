/** Every row of the egress suite. A new file of rows is imported here and spread into the list. */
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';
import { HOST_ROWS } from './hosts.ts';
import { NAME_ROWS } from './names.ts';
import { REQUEST_ROWS } from './requests.ts';
import { SEAL_ROWS } from './seal.ts';

export const EGRESS_ROWS: readonly Row<EgressBench>[] = [...NAME_ROWS, ...SEAL_ROWS, ...HOST_ROWS, ...REQUEST_ROWS].sort(byId);

/** E2 before E10, E before C */
function byId(a: Row<EgressBench>, b: Row<EgressBench>): number {
  const key = ({ id }: Row<EgressBench>): number => (id.startsWith('E') ? 0 : 100) + Number(id.slice(1));
  return key(a) - key(b);
}
