import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { release } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKrun } from '../../src/backends/krun/find-krun.ts';
import type { PodmanHost } from '../../src/backends/oci/index.ts';
import { type Bottle, patient, run } from '../../src/core/index.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { listenTcp, reachesTcp } from '../conformance/support/host.ts';
import { errorOf, shOutput, waitUntil } from '../conformance/support/in-bottle.ts';
import { describeUnless } from '../support/describe-unless.ts';
import {
  type BareResult,
  bareMachine,
  bareSize,
  IMAGE,
  inspect,
  OLD_LIBKRUN,
  podmanWith,
  runtime,
  useMachines,
  whyNoMachines,
  whyNoOldLibkrun,
} from './krun-fixture.ts';

const SLOW = { timeout: patient(40_000) };
/** Damaged by libkrun before 1.18.1; in a shell the part after `;` becomes a command of its own. */
const WORD = 'a"b;echo INJECTED\n\tc\\d';

/** Small enough for the emulated machine, large enough for packets of more than one piece. */
const MUCH = 8 * 1024 * 1024;
const OLD_CRUN = '/opt/old-crun/krun';
/** Without libkrun, as Debian builds it */
const CRUN = '/usr/bin/crun';

type Machine = (options: readonly string[], words: readonly string[]) => Promise<BareResult>;

/** How much of `MUCH` a server of the host gets from a guest that may reach it and gives up when nothing moves. */
async function bytesSentBy(machine: Machine): Promise<number> {
  let received = 0;
  const server = createServer((socket) => socket.on('error', () => undefined).on('data', (chunk) => void (received += chunk.length)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const send = `timeout 30 head -c ${MUCH} /dev/zero >/dev/tcp/127.0.0.1/${port}; sleep 2`;
    await machine(['--network=host'], ['bash', '-c', send]);
    return received;
  } finally {
    server.close();
  }
}

// each trap is shown first with libkrun alone, then what a bottle makes of it
describeUnless(await whyNoMachines(), 'traps of machines', () => {
  let under: BackendUnderTest;
  let podman: PodmanHost;
  let bottle: Bottle;

  useMachines((machines) => ({ under, podman, bottle } = machines));

  describeUnless(whyNoOldLibkrun, 'a libkrun before 1.18.1', () => {
    const oldMachine = (options: readonly string[], words: readonly string[]): Promise<BareResult> =>
      bareMachine(options, words, OLD_LIBKRUN);

    it('makes commands of words in arguments, and damages variables and directories', SLOW, async () => {
      expect((await oldMachine([], ['sh', '-c', 'echo "x;echo INJECTED"'])).stdout.split('\n')).toContain('INJECTED');
      expect((await oldMachine(['--env', `W=${WORD}`], ['printenv', 'W'])).stdout).not.toBe(`${WORD}\n`);
      const directory = '/d"q';
      expect((await oldMachine(['--tmpfs', directory, '--workdir', directory], ['pwd'])).stdout).not.toBe(`${directory}\n`);
    });

    it('starts as root whatever user was asked for', SLOW, async () => {
      expect((await oldMachine(['--user', '1000:1000'], ['id', '-u'])).stdout.trim()).toBe('0');
    });

    it('loses what a guest sends in large pieces; the one that is used does not', SLOW, async () => {
      expect(await bytesSentBy(oldMachine)).toBeLessThan(MUCH);
      expect(await bytesSentBy(bareMachine)).toBe(MUCH);
    });
  });

  it('a crun that ignores the size of a machine is refused', async ({ skip }) => {
    if (!existsSync(OLD_CRUN)) skip('there is no crun before 1.27 here');
    expect(await findKrun([OLD_CRUN])).toMatchObject({ findings: [{ code: 'KRUN_TOO_OLD' }] });
  });

  describe('words with quotes and line ends', () => {
    it('arrive in a bottle as they were', SLOW, async () => {
      expect(await shOutput(bottle, 'echo "x;echo INJECTED"')).toBe('x;echo INJECTED');
      expect((await bottle.exec(['printf', '%s', WORD])).stdout.toString()).toBe(WORD);
      expect((await bottle.exec(['printenv', 'W'], { env: { W: WORD } })).stdout.toString()).toBe(`${WORD}\n`);
      await bottle.exec(['mkdir', '/tmp/d"q'], { cwd: '/' });
      expect((await bottle.exec(['pwd'], { cwd: '/tmp/d"q' })).stdout.toString()).toBe('/tmp/d"q\n');
    });
  });

  describe('the configuration of the container', () => {
    it('is readable for every user of the machine, with its variables', SLOW, async () => {
      const { stdout } = await bareMachine(['--env', 'SECRET=canary'], ['grep', '-c', 'SECRET=canary', '/.krun_config.json']);
      expect(Number(stdout)).toBeGreaterThan(0);
    });

    it('is gone in a bottle and in its files on the host, and never held a variable of the task', SLOW, async () => {
      expect(await shOutput(bottle, 'ls -a /')).not.toContain('krun_config');
      const upper = await inspect(podman, bottle, '{{.GraphDriver.Data.UpperDir}}');
      await expect(stat(path.join(upper, '.krun_config.json'))).rejects.toMatchObject({ code: 'ENOENT' });
      const other = await under.launch({ env: { SECRET: 'canary-of-the-task' } });
      expect(await shOutput(other, 'echo $SECRET')).toBe('canary-of-the-task');
      expect(await podman.call('describe it', ['container', 'inspect', other.plan.runtimeName])).not.toContain('canary-of-the-task');
      await under.backend.remove(other.id);
    });
  });

  it('a crun that knows nothing of machines runs a command beside the machine, in the kernel of the host', SLOW, async ({ skip }) => {
    if (!existsSync(CRUN)) skip(`there is no other crun at \`${CRUN}\``);
    const kernel = ['uname', '-r'];
    const id = await inspect(podman, bottle, '{{.Id}}');
    expect((await run([CRUN, 'exec', id, ...kernel])).stdout.toString().trim()).toBe(release());
    expect(await shOutput(bottle, kernel.join(' '))).not.toBe(release());
  });

  it('Podman cannot run commands in a machine; terok does, in the kernel of the machine', SLOW, async () => {
    const refused = await podmanWith(await runtime(), ['exec', bottle.plan.runtimeName, 'true']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('does not support exec');
    const bootOfHost = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    expect(await shOutput(bottle, 'cat /proc/sys/kernel/random/boot_id')).not.toBe(bootOfHost.trim());
  });

  it('the monitor ignores TERM; a stop of terok reaches the programs of the machine', SLOW, async () => {
    const name = inspect(podman, bottle, '{{.State.Pid}}');
    await podman.call('signal it', ['kill', '--signal', 'TERM', bottle.plan.runtimeName]);
    expect(await shOutput(bottle, 'echo alive')).toBe('alive');
    expect(await inspect(podman, bottle, '{{.State.Pid}}')).toBe(await name);

    const program = await bottle.spawn(['sh', '-c', 'trap "echo ended >~/ended; exit 0" TERM; echo ready; while :; do sleep 0.1; done']);
    await once(program.stdout, 'data');
    await bottle.stop();
    expect(await bottle.status()).toBe('stopped');
    await bottle.start();
    expect(await shOutput(bottle, 'cat ~/ended')).toBe('ended');
  });

  it('killing the client of Podman ends nothing; a launch that is given up leaves nothing', SLOW, async () => {
    const name = `krun-trap-${randomBytes(4).toString('hex')}`;
    const options = ['run', '--name', name, '--pull=never', '--network=none', ...bareSize(256)];
    const client = spawn('podman', ['--runtime', await runtime(), ...options, IMAGE, 'sleep', '600'], { stdio: 'ignore' });
    const stateOf = async (): Promise<string> =>
      (await podman.run(['container', 'inspect', '--format', '{{.State.Status}}', name])).stdout.toString().trim();
    try {
      await waitUntil(async () => (await stateOf()) === 'running', 30_000, 'the container runs');
      const ended = once(client, 'exit');
      client.kill('SIGKILL');
      await ended;
      expect(await stateOf()).toBe('running');
    } finally {
      await podman.run(['rm', '--force', '--time', '0', name]);
    }
    const slug = `krun-${randomBytes(5).toString('hex')}`;
    const giveUp = new AbortController();
    const launching = under.launch(
      { slug },
      { signal: giveUp.signal, onPhase: async (phase) => void (phase === 'sealed' && giveUp.abort()) },
    );
    await expect(launching).rejects.toThrow();
    expect(await podman.call('list', ['ps', '--all', '--filter', `label=terok.slug=${slug}`, '--quiet'])).toBe('');
  });

  it('stderr of a machine holds words of its kernel and monitor; stderr of a command does not', SLOW, async () => {
    const shout = "echo '<0>a word of the kernel' >/dev/kmsg; sleep 0.5; echo mine >&2";
    expect((await bareMachine([], ['sh', '-c', shout])).stderr).toContain('a word of the kernel');
    expect((await bottle.exec(['sh', '-c', shout], { user: 'root' })).stderr.toString()).toBe('mine\n');
  });

  it('failures of the machine look like exit codes of commands; in a bottle they do not', SLOW, async () => {
    const infrastructure = await bareMachine(['--annotation', 'krun.cpus=abc'], ['true']);
    const command = await bareMachine([], ['sh', '-c', 'exit 1']);
    expect([infrastructure.code, command.code]).toEqual([1, 1]);

    for (const code of [1, 126, 127, 137, 139])
      expect((await bottle.exec(['sh', '-c', `exit ${code}`])).status).toEqual({ kind: 'exited', code });
    const other = await under.launch();
    const running = await other.spawn(['sh', '-c', 'echo started; sleep 600']);
    await once(running.stdout, 'data');
    await under.crash?.(other, 'init');
    expect(await running.exited).toMatchObject({ kind: 'lost' });
    await waitUntil(async () => (await other.status()) === 'stopped', 10_000, 'the bottle is stopped');
    expect(await errorOf(other.exec(['true']))).toMatchObject({ code: 'WRONG_STATE' });
    await under.backend.remove(other.id);
  });

  it('each file that the guest knows takes a descriptor of the monitor, which has enough in a bottle', SLOW, async () => {
    const make = (directory: string): string =>
      `mkdir ${directory} && i=0 && while [ $i -lt 600 ]; do : >${directory}/$i || exit 9; i=$((i+1)); done && ls ${directory} | wc -l`;
    const few = await bareMachine(['--ulimit', 'nofile=256:256'], ['sh', '-c', make('/many')]);
    expect(few.stdout.trim()).not.toBe('600');
    expect(await shOutput(bottle, make('/tmp/many'))).toBe('600');
    const limits = await readFile(`/proc/${await inspect(podman, bottle, '{{.State.Pid}}')}/limits`, 'utf8');
    expect(limits).toMatch(/^Max open files +1048576 +1048576/m);
  });

  it(
    'users of a machine need rights of its monitor to make files; in a bottle the agent makes them, and they are his on the host',
    SLOW,
    async () => {
      const withoutRights = await bareMachine(['--cap-drop=all'], ['setpriv', '--reuid=1000', '--clear-groups', 'touch', '/tmp/x']);
      expect(withoutRights.code).not.toBe(0);

      expect(await shOutput(bottle, 'id -u && touch ~/mine && stat -c %u ~/mine')).toBe('1000\n1000');
      const file = path.join(await inspect(podman, bottle, '{{.GraphDriver.Data.UpperDir}}'), await shOutput(bottle, 'echo ~/mine'));
      expect((await stat(file)).uid % 100_000).toBe(1000);
    },
  );

  it('connections of a guest are made by its monitor; in a bottle that is in a namespace with sealed listeners alone', SLOW, async () => {
    const listener = await listenTcp('127.0.0.1');
    const ask = `exec 3<>/dev/tcp/127.0.0.1/${listener.port} && head -c 5 <&3`;
    try {
      expect(await reachesTcp({ host: '127.0.0.1', port: listener.port })).toBe(true);
      expect((await bareMachine(['--network=host'], ['bash', '-c', ask])).stdout).toBe('hello');
      const before = listener.seen();
      expect((await bottle.exec(['bash', '-c', ask])).stdout.toString()).toBe('');
      expect(listener.seen()).toBe(before);
    } finally {
      await listener.close();
    }
    const monitor = await inspect(podman, bottle, '{{.State.Pid}}');
    expect(await readlink(`/proc/${monitor}/ns/net`)).not.toBe(await readlink('/proc/self/ns/net'));
    const links = (await readFile(`/proc/${monitor}/net/dev`, 'utf8'))
      .split('\n')
      .slice(2)
      .map((line) => line.split(':')[0]?.trim());
    expect(links.filter((link) => link !== '' && link !== 'lo')).toEqual([]);
  });

  describe('the memory of the monitor', () => {
    /** Takes the `/proc` of the guest away in a mount namespace of its own, as `unshare` and `umount` would, which the image lacks. */
    const [unshare, umount] = process.arch === 'x64' ? [272, 166] : [97, 39];
    const below = (script: string): string[] => {
      const mounts = `syscall(${unshare}, 0x20000) and die $!; my $proc = "/proc"; syscall(${umount}, $proc, 2) and die $!;`;
      return ['perl', '-e', `${mounts} exec "sh", "-c", $ARGV[0]`, script];
    };
    /** Writes over a word of the monitor's first environment, which it never looks at again. */
    const attack = (address: string): string =>
      `ls /proc; for f in /proc/1/mem /proc/self/fd/../mem; do printf OWNED | dd of=$f seek=${address} oflag=seek_bytes conv=notrunc; done`;
    const addressIn = async (pid: string): Promise<string> =>
      (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[47] ?? '';
    const environmentOf = (pid: string): Promise<string> => readFile(`/proc/${pid}/environ`, 'latin1');

    it('is open to root of the guest with libkrun alone', SLOW, async () => {
      const name = `krun-trap-${randomBytes(4).toString('hex')}`;
      const options = ['run', '--detach', '--name', name, '--pull=never', '--network=none', ...bareSize(256)];
      const script = `until read address </address; do sleep 0.2; done; ${attack('$address')}; sleep 600`;
      try {
        await podmanWith(await runtime(), [...options, IMAGE, ...below(script)]);
        const pid = (await podman.call('look', ['container', 'inspect', '--format', '{{.State.Pid}}', name])).trim();
        await writeFile(`/proc/${pid}/root/address`, `${await addressIn(pid)}\n`);
        await waitUntil(async () => (await environmentOf(pid)).startsWith('OWNED'), 15_000, 'the monitor is written to');
      } finally {
        await podman.run(['rm', '--force', '--time', '0', name]);
      }
    });

    it('is out of reach in a bottle: what is below shows the files that its file server has open, and nothing else', SLOW, async () => {
      const pid = await inspect(podman, bottle, '{{.State.Pid}}');
      const before = await environmentOf(pid);
      const argv = below(attack(await addressIn(pid)));
      const { stdout, stderr } = await bottle.exec(argv, { user: 'root' });
      expect(stdout.toString()).toBe('self\n');
      expect(stderr.toString().match(/No such file|Permission denied|Read-only/g)?.length).toBeGreaterThanOrEqual(2);
      expect(await environmentOf(pid)).toBe(before);
    });
  });

  describe('an image that asks for another machine', () => {
    let hostile: string;
    let forSev: string;
    const withFile = async (name: string, content: string): Promise<string> => {
      const reference = `localhost/terok/hostile:${randomBytes(4).toString('hex')}`;
      const directory = await mkdtemp('/tmp/tk-hostile-');
      const container = (await podman.call('make an image', ['create', '--pull=never', IMAGE])).trim();
      await writeFile(path.join(directory, name), content);
      await podman.call('put a file into it', ['cp', path.join(directory, name), `${container}:/${name}`]);
      await podman.call('keep it', ['commit', '--quiet', container, reference]);
      await podman.call('remove it', ['rm', container]);
      await rm(directory, { recursive: true });
      return reference;
    };
    beforeAll(async () => {
      hostile = await withFile('.krun_vm.json', '{"cpus":1,"ram_mib":200}');
      forSev = await withFile('krun-sev.json', '{}');
    }, patient(60_000));
    afterAll(async () => {
      await podman?.run(['rmi', '--force', hostile, forSev]);
    });

    const MEMORY = "awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo";

    it('gets it from libkrun, and not from terok', SLOW, async () => {
      const bare = await podmanWith(await runtime(), ['run', '--rm', '--pull=never', '--network=none', hostile, 'sh', '-c', MEMORY]);
      expect(Number(bare.stdout)).toBeLessThan(250);
      const other = await under.launch({ image: hostile });
      const asked = other.plan.spec.limits.memoryMiB;
      expect(Number(await shOutput(other, MEMORY))).toBeGreaterThan(asked * 0.9);
      expect(JSON.parse(await shOutput(other, 'cat /.krun_vm.json'))).toMatchObject({ ram_mib: asked });
      await under.backend.remove(other.id);
    });

    it('is refused where terok has nothing to put in the place of what it asks for', SLOW, async () => {
      expect(await errorOf(under.launch({ image: forSev }))).toMatchObject({ code: 'REFUSED', context: { file: '/krun-sev.json' } });
    });
  });
});
