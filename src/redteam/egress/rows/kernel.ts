/** Asking the kernel for what the network does not give. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../../core/index.ts';
import type { Row } from '../../row.ts';
import type { Trial } from '../../trial.ts';
import type { EgressBench } from '../egress-bench.ts';
import { programOfThe32BitDoor } from '../thirty-two-bit-door.ts';

const perl = (expression: string): readonly string[] => ['perl', '-e', `print((${expression}) ? "ok" : $! + 0)`];

/** Perl is in every Debian and in nearly every Linux; its `socket` and `syscall` ask for exactly what is said. */
const SOCKETS: Readonly<Record<string, readonly string[]>> = {
  'AF_INET SOCK_RAW (ICMP)': perl('socket(S, 2, 3, 1)'),
  AF_PACKET: perl('socket(S, 17, 3, 0)'),
  AF_VSOCK: perl('socket(S, 40, 1, 0)'),
  AF_ALG: perl('socket(S, 38, 5, 0)'),
  'AF_NETLINK (audit)': perl('socket(S, 16, 3, 9)'),
  AF_BLUETOOTH: perl('socket(S, 31, 3, 0)'),
  AF_TIPC: perl('socket(S, 30, 1, 0)'),
  AF_XDP: perl('socket(S, 44, 3, 0)'),
  AF_SMC: perl('socket(S, 43, 1, 0)'),
  AF_KCM: perl('socket(S, 41, 5, 0)'),
  AF_RDS: perl('socket(S, 21, 5, 0)'),
  AF_CAN: perl('socket(S, 29, 3, 1)'),
};
const ORDINARY = perl('socket(S, 2, 1, 0) && socket(T, 10, 1, 0) && socket(U, 1, 1, 0)');
/** The same numbers through the x32 door of an x86-64 kernel: `socket(AF_INET, SOCK_STREAM, 0)` */
const X32 = perl('syscall(0x40000000 | 41, 2, 1, 0) >= 0');
const EXIT_OF_THE_DOOR = 42;

const CHANGES: readonly (readonly string[])[] = [
  ['ip', 'link', 'set', 'lo', 'down'],
  ['ip', 'link', 'add', 'attack0', 'type', 'dummy'],
  ['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo'],
  ['ip', 'route', 'add', '192.0.2.0/24', 'dev', 'lo'],
  ['ip', 'rule', 'add', 'from', 'all', 'table', '7'],
];

export const KERNEL_ROWS: readonly Row<EgressBench>[] = [
  {
    id: 'E17',
    title: 'other socket families, raw sockets, 32-bit calls',
    claim: 'A bottle has TCP, UDP and unix sockets inside of its seal, and no other family by whatever door of the kernel.',
    attack: 'asks for raw, packet, vsock, crypto and other sockets, also as root of the bottle and by the 32-bit and x32 calls',
    defence: 'a seccomp profile with an allowlist of families and of one architecture; no capabilities',
    control: 'the same programs on this machine get what its kernel has; the ordinary families work in the bottle',
    async run(trial, bench) {
      if (bench.capabilities.ownKernel) return trial.unsupported('the bottle has a kernel of its own; its sockets end at the seal');
      const bottle = await bench.shared();
      const ordinary = await bottle.run(ORDINARY);
      trial.control('ordinary sockets in the bottle', ordinary.stdout === 'ok', ordinary.stdout + ordinary.stderr);
      for (const [family, argv] of Object.entries(SOCKETS)) {
        const outside = await run(argv).then(
          ({ stdout }) => stdout.toString(),
          () => 'no perl',
        );
        const [agent, root] = [await bottle.run(argv), await bottle.run(argv, { user: 'root' })];
        const raw = family.startsWith('AF_INET');
        if (outside === 'ok') trial.control(`${family} on this machine`, true);
        trial.attack(`${family} as the agent`, agent.stdout === 'ok', agent.stdout);
        // a raw socket of root inside an empty network reaches what TCP reaches there
        if (!raw) trial.attack(`${family} as root of the bottle`, root.stdout === 'ok', root.stdout);
      }
      if (process.arch === 'x64') await attackOtherDoors(trial, bench);
    },
  },
  {
    id: 'E20',
    title: 'changing the network from inside',
    claim: 'The network of a bottle cannot be changed from inside, not even by its root.',
    attack: 'takes interfaces down, adds links, addresses, routes and rules, as the agent and as root of the bottle',
    defence: 'no capability for networks; the namespace belongs to the host and holds no firewall that could be flushed',
    control: 'the same programs work for who owns a network namespace',
    async run(trial, bench) {
      const owner = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']), '--net', '--', 'sh', '-c'];
      const script = 'ip link set lo up; for change; do $change || exit 1; done';
      const controls = await Promise.all(CHANGES.slice(2, 4).map((argv) => run([...owner, script, 'sh', argv.join(' ')])));
      trial.control(
        'who owns a network',
        controls.every(({ exitCode }) => exitCode === 0),
        controls.map(({ stderr }) => stderr.toString()).join(''),
      );
      const bottle = await bench.shared();
      for (const user of ['agent', 'root'] as const) {
        for (const argv of CHANGES) {
          const { code, stderr } = await bottle.run(argv, { user });
          trial.attack(`${user}: ${argv.join(' ')}`, code === 0, stderr);
        }
      }
      const { code, stderr } = await bottle.run(['unshare', '--user', '--map-root-user', '--net', 'true']);
      trial.attack('a namespace of its own', code === 0, stderr);
    },
  },
];

async function attackOtherDoors(trial: Trial, bench: EgressBench): Promise<void> {
  const bottle = await bench.shared();
  const file = path.join(bench.directory, 'door');
  await writeFile(file, programOfThe32BitDoor(), { mode: 0o755 });
  const outside = await run([file]);
  trial.control('a 32-bit call on this machine', outside.exitCode === EXIT_OF_THE_DOOR, `${outside.exitCode ?? outside.signal}`);
  await bottle.copyIn(file, '/tmp/terok-attack-door');
  const { code } = await bottle.run(['/tmp/terok-attack-door']);
  trial.attack('a 32-bit call', code === EXIT_OF_THE_DOOR, `${code}`);
  const x32 = await bottle.run(X32);
  trial.attack('an x32 call', x32.stdout === 'ok', x32.stdout);
}
