import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SeedFile } from '../../src/core/index.ts';
import { type Channel, createChannelIdentity, openChannel, PREPARE_FILE, REQUIRED_CAPABILITIES } from '../../src/exec-channel/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { startTestBottle, type TestBottle, whyNoTestBottle } from './exec-channel-bottle.ts';

const reason = await whyNoTestBottle();

describeUnless(reason, 'the first process of a bottle', () => {
  let bottle: TestBottle;
  let channel: Channel;
  const text = async (script: string, user: 'agent' | 'root' = 'agent'): Promise<string> =>
    (await channel.exec(['sh', '-c', script], { user })).stdout.toString();

  beforeAll(async () => {
    bottle = await startTestBottle();
    channel = openChannel(bottle);
  });
  afterAll(async () => {
    channel?.close();
    await bottle?.[Symbol.asyncDispose]();
  });

  test('answers the first command soon after the start', async () => {
    await using other = await startTestBottle();
    const own = openChannel(other);
    await own.exec(['true']);
    expect(performance.now() - other.startedAt).toBeLessThan(1_500);
    own.close();
  });

  test('reaps what other processes leave behind', async () => {
    await text('for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sleep 0.05 &); done');
    await sleep(400);
    expect(
      (await text("awk 'FNR == 1 { dead = 0 } /^State:.*Z/ { dead = 1 } /^PPid:.1$/ && dead' /proc/[0-9]*/status | wc -l")).trim(),
    ).toBe('0');
  });

  test('waits for its gateway without burning the processor, and is back at once', async () => {
    const pid = await bottle.pid();
    const before = await cpuTicks(pid);
    await bottle.restartSplice(2_000);
    expect((await cpuTicks(pid)) - before).toBeLessThan(40);
    const started = performance.now();
    expect(await text('echo back')).toBe('back\n');
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test('leaves no descriptor and no process of its own to a command', async () => {
    expect((await text('ls /proc/self/fd | wc -l')).trim()).toBe('4');
    expect(await text('ps -o args= --ppid 1 | grep -vE "^sshd(-session)?: "')).toBe('');
  });

  test('leaves signals to a command as they are', async () => {
    expect(await text('grep SigIgn /proc/self/status')).toMatch(/^SigIgn:\s+0+\n$/);
  });

  test('may ask for the time when a session begins: what crosses is no part of the session', async () => {
    const prepare: SeedFile = { path: PREPARE_FILE, content: 'own_clock=yes\n', mode: 0o644, owner: 'root' };
    await using other = await startTestBottle({ alterSeeds: (seeds) => [...seeds, prepare] });
    const own = openChannel(other);
    expect((await own.exec(['echo', 'answer'])).stdout.toString()).toBe('answer\n');
    own.close();
  });

  test('keeps its files from the agent', async () => {
    for (const file of ['/usr/lib/terok/init', '/etc/terok/sshd_config', '/etc/terok/authorized_keys', '/etc/terok/ssh_host_key']) {
      expect(await text(`[ -w ${file} ] && echo writable; mv ${file} /work/ 2>/dev/null && echo moved; true`)).toBe('');
    }
    expect(await text('cat /etc/terok/ssh_host_key 2>/dev/null; true')).toBe('');
    expect(await text('cat /etc/terok/ssh_host_key', 'root')).toContain('OPENSSH PRIVATE KEY');
  });

  test('lets nobody in by a key that the agent put into a home directory', async () => {
    const stranger = await createChannelIdentity(`${bottle.dir}/stranger`);
    await text(
      `mkdir -p ~/.ssh && chmod 700 ~/.ssh && echo '${stranger.client.publicKey}' > ~/.ssh/authorized_keys && printf 'PATH=/nope\\n' > ~/.ssh/environment && echo 'echo rc' > ~/.ssh/rc`,
    );
    const own = openChannel({ ...bottle, identity: { ...bottle.identity, client: stranger.client } });
    await expect(own.exec(['true'])).rejects.toMatchObject({ code: 'NOT_FOUND', context: { kind: 'user' } });
    own.close();
    expect(
      await (async () => {
        const fresh = openChannel(bottle);
        const result = await fresh.exec(['printenv', 'PATH']);
        fresh.close();
        return result.stdout.toString() + result.stderr.toString();
      })(),
    ).toMatch(/^\/usr\/local\/sbin:[^\n]*\n$/);
  });

  test('is not mistaken for another bottle: a host key that was not pinned is CHANNEL_LOST', async () => {
    const stranger = await createChannelIdentity(`${bottle.dir}/stranger`);
    const own = openChannel({ ...bottle, identity: { ...bottle.identity, host: stranger.host } });
    await expect(own.exec(['true'])).rejects.toMatchObject({
      code: 'CHANNEL_LOST',
      message: expect.stringContaining('another host key') as string,
    });
    own.close();
  });

  test('says which user an image lacks', async () => {
    await using other = await startTestBottle({ withoutAgent: true });
    const own = openChannel(other);
    await expect(own.exec(['true'])).rejects.toMatchObject({ code: 'NOT_FOUND', context: { kind: 'user', user: 'agent' } });
    expect((await own.exec(['id', '-un'], { user: 'root' })).stdout.toString()).toBe('root\n');
    own.close();
  });

  test('on TERM lets processes finish, then ends everything within the grace', async () => {
    await using other = await startTestBottle();
    const own = openChannel(other);
    await own.exec([
      'sh',
      '-c',
      'setsid sh -c \'trap "sleep 0.3; echo saved > /work/hook; exit" TERM; while :; do sleep 0.05; done\' >/dev/null 2>&1 & exit 0',
    ]);
    await own.exec(['sh', '-c', 'setsid sh -c \'trap "" TERM; while :; do sleep 1; done\' >/dev/null 2>&1 & exit 0']);
    const started = performance.now();
    expect((await other.podman(['stop', '-t', '5', other.name])).code).toBe(0);
    expect(performance.now() - started).toBeLessThan(4_500);
    expect((await other.podman(['inspect', '-f', '{{.State.ExitCode}}', other.name])).stdout.trim()).toBe('0');
    expect((await other.podman(['start', other.name])).code).toBe(0);
    expect((await own.exec(['cat', '/work/hook'])).stdout.toString()).toBe('saved\n');
    own.close();
  });

  describe('needs each of its capabilities', () => {
    const probes: Readonly<Record<string, (channel: Channel) => Promise<unknown>>> = {
      CHOWN: (own) => own.exec(['tty'], { terminal: { columns: 80, rows: 24 } }),
      DAC_OVERRIDE: (own) => asRoot(own, 'mkdir -m 700 /work/private && echo x > /work/private/file', 'cat /work/private/file'),
      FOWNER: (own) => asRoot(own, 'touch /work/mine', 'chmod 600 /work/mine'),
      SETUID: (own) => own.exec(['true']),
      SETGID: (own) => own.exec(['true']),
      SYS_CHROOT: (own) => own.exec(['true']),
      KILL: (own) => asRoot(own, 'setsid sleep 900 >/dev/null 2>&1 & exit 0', 'pkill -x sleep'),
    };
    const asRoot = async (own: Channel, first: string, second: string): Promise<void> => {
      await own.exec(['sh', '-c', first]);
      const { status, stderr } = await own.exec(['sh', '-c', second], { user: 'root' });
      if (status.kind !== 'exited' || status.code !== 0) throw new Error(`${JSON.stringify(status)}: ${stderr.toString()}`);
    };

    test('every one is tried', () => {
      expect(Object.keys(probes).sort()).toEqual([...REQUIRED_CAPABILITIES].sort());
    });

    test('with all of them everything works (positive control)', async () => {
      for (const probe of Object.values(probes)) await probe(channel);
    });

    test.each(REQUIRED_CAPABILITIES)('without %s something fails', async (capability) => {
      await using other = await startTestBottle({ capabilities: REQUIRED_CAPABILITIES.filter((name) => name !== capability) });
      const own = openChannel(other);
      await expect(probes[capability]?.(own)).rejects.toThrow();
      own.close();
    });
  });
});

/** Processor time of a process in ticks of 10 ms. */
async function cpuTicks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
