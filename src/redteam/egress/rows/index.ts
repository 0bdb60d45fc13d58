/** Every row of the egress suite. A new file of rows is imported here and spread into the list. */
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';
import { ADDRESS_ROWS } from './addresses.ts';
import { CHANNEL_ROWS } from './channels.ts';
import { CREDENTIAL_ROWS } from './credentials.ts';
import { HOST_ROWS } from './host.ts';
import { KERNEL_ROWS } from './kernel.ts';
import { LOGIN_ROWS } from './logins.ts';
import { NAME_ROWS } from './names.ts';
import { POLICY_ROWS } from './policy.ts';
import { REQUEST_ROWS } from './requests.ts';
import { SEAL_ROWS } from './seal.ts';
import { SPOOF_ROWS } from './spoofs.ts';
import { TRUST_ROWS } from './trust.ts';

export const EGRESS_ROWS: readonly Row<EgressBench>[] = [
  NAME_ROWS,
  SEAL_ROWS,
  SPOOF_ROWS,
  REQUEST_ROWS,
  ADDRESS_ROWS,
  KERNEL_ROWS,
  POLICY_ROWS,
  CHANNEL_ROWS,
  CREDENTIAL_ROWS,
  LOGIN_ROWS,
  HOST_ROWS,
  TRUST_ROWS,
]
  .flat()
  .sort(byId);

/** E2 before E10, E before C */
function byId(a: Row<EgressBench>, b: Row<EgressBench>): number {
  const key = ({ id }: Row<EgressBench>): number => (id.startsWith('E') ? 0 : 100) + Number(id.slice(1));
  return key(a) - key(b);
}
