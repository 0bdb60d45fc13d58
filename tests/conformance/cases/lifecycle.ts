import { stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Bottle, patient } from '../../../src/core/index.ts';
import { type BackendUnderTest, type ConformanceCase, withoutLimits } from '../support/case.ts';
import { countMarked, elapsedMs, errorOf, sh, shOutput, uniqueWord, waitUntil } from '../support/in-bottle.ts';

const idsOf = async ({ backend }: BackendUnderTest): Promise<string[]> => (await backend.list()).map(({ id }) => id);

async function expectGone(under: BackendUnderTest, bottle: Bottle): Promise<void> {
  expect(await idsOf(under)).not.toContain(bottle.id);
  expect(await bottle.status()).toBe('missing');
}

export const lifecycleCases: readonly ConformanceCase[] = [
  {
    id: 'F18',
    title: 'of several creations of one name exactly one wins, and it is whole',
    run: async ({ under }) => {
      const slug = `one-${uniqueWord().slice(-8)}`;
      const outcomes = await Promise.allSettled([under.launch({ slug }), under.launch({ slug }), under.launch({ slug })]);
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as { code?: string }).code] : []))).toEqual([
        'ALREADY_EXISTS',
        'ALREADY_EXISTS',
      ]);
      expect(await shOutput(won[0]?.value as Bottle, 'echo whole')).toBe('whole');
      expect((await errorOf(under.launch({ slug }))).code).toBe('ALREADY_EXISTS');
      expect(await shOutput(won[0]?.value as Bottle, 'echo whole')).toBe('whole');
      await under.backend.remove(slug);
    },
  },
  {
    id: 'F19',
    title: 'start of a running, stop of a stopped and removal of a missing bottle do nothing',
    run: async ({ under }) => {
      const bottle = await under.launch();
      await bottle.start();
      expect(await shOutput(bottle, 'echo up')).toBe('up');
      await bottle.stop({ graceMs: 0 });
      await bottle.stop({ graceMs: 0 });
      expect(await bottle.status()).toBe('stopped');
      await under.backend.remove(bottle.id);
      await under.backend.remove(bottle.id);
      await under.backend.remove('never-was');
      await expectGone(under, bottle);
      await expect(bottle.start()).rejects.toThrow();
    },
  },
  {
    id: 'F20',
    title: 'a bottle is removed from every state, with all its processes',
    run: async ({ under }) => {
      const running = await under.launch();
      const word = uniqueWord();
      const ended = (await running.spawn(['sh', '-c', 'trap "" TERM; while :; do sleep 1; done', word])).exited;
      await under.backend.remove(running.id);
      expect((await ended).kind).toMatch(/^(lost|signalled)$/);
      await expectGone(under, running);
      const stopped = await under.launch();
      await stopped.stop({ graceMs: 0 });
      await under.backend.remove(stopped.id);
      await expectGone(under, stopped);
      const again = await under.launch({ slug: stopped.id });
      expect(await shOutput(again, 'echo again')).toBe('again');
      await Promise.all([under.backend.remove(again.id), under.backend.remove(again.id)]);
      await expectGone(under, again);
    },
  },
  {
    id: 'F21',
    title: 'a stop asks first, then kills, within its time',
    run: async ({ under }) => {
      const bottle = await under.launch();
      const polite = 'trap "echo asked > $HOME/asked; exit 0" TERM; echo ready > "$HOME/ready"; while :; do sleep 0.1; done';
      const stubborn = 'trap "" TERM; while :; do sleep 0.1; done';
      await bottle.spawn(['sh', '-c', polite]);
      await bottle.spawn(['sh', '-c', stubborn]);
      await shOutput(bottle, 'while ! test -e "$HOME/ready"; do sleep 0.05; done');
      expect(await elapsedMs(() => bottle.stop({ graceMs: patient(1_500) }))).toBeLessThan(patient(1_500 + 4_000));
      expect(await bottle.status()).toBe('stopped');
      await bottle.start();
      expect(await shOutput(bottle, 'cat "$HOME/asked"')).toBe('asked');
      await under.backend.remove(bottle.id);
    },
  },
  {
    id: 'F22',
    title: 'files survive stop and start, processes do not',
    unless: ({ capabilities }) => (capabilities.persistentFiles ? undefined : 'the backend declares that files do not persist'),
    run: async ({ under }) => {
      const bottle = await under.launch();
      const word = uniqueWord();
      await shOutput(bottle, 'echo kept > "$HOME/file"; mkdir -p "$HOME/a/b"; ln -s file "$HOME/link"');
      await bottle.spawn(['sh', '-c', 'while :; do sleep 1; done', word]);
      await bottle.stop({ graceMs: 0 });
      await bottle.start();
      expect(await shOutput(bottle, 'cat "$HOME/link"; test -d "$HOME/a/b" && echo dir')).toBe('kept\ndir');
      expect(await countMarked(bottle, word)).toBe(0);
      await under.backend.remove(bottle.id);
    },
  },
  {
    id: 'F23',
    title: 'a bottle whose first process was killed is reported, starts again, and is removable',
    run: async ({ under, skip }) => {
      if (under.crash === undefined) return skip('the backend has no first process to kill');
      const bottle = await under.launch();
      await shOutput(bottle, 'echo kept > "$HOME/file"');
      await under.crash(bottle, 'init');
      await waitUntil(async () => (await bottle.status()) !== 'running', 10_000, 'the end is seen');
      expect(['failed', 'stopped']).toContain(await bottle.status());
      await bottle.start();
      expect(await shOutput(bottle, 'cat "$HOME/file"')).toBe('kept');
      await under.crash(bottle, 'init');
      await under.backend.remove(bottle.id);
      await expectGone(under, bottle);
    },
  },
  {
    id: 'F24',
    title: 'a bottle whose monitor was killed is removable',
    run: async ({ under, skip }) => {
      if (under.crash === undefined) return skip('the backend has no monitor to kill');
      const bottle = await under.launch();
      await under.crash(bottle, 'monitor');
      await under.backend.remove(bottle.id);
      await expectGone(under, bottle);
    },
  },
  {
    id: 'F25',
    title: 'a command that takes too much memory dies and the bottle goes on',
    unless: withoutLimits,
    timeoutMs: 120_000,
    run: async ({ under, skip }) => {
      const bottle = await under.launch({ limits: { memoryMiB: 192, cpus: 1, pids: 256, files: 1024 } });
      try {
        if (bottle.plan.missingLimits.includes('memory')) return skip('this host cannot enforce a memory limit for this user');
        const { status } = await sh(bottle, 'head -c 1500000000 /dev/zero | tail -c 1400000000 > /dev/null');
        expect([
          { kind: 'signalled', signal: 'KILL' },
          { kind: 'exited', code: 137 },
        ]).toContainEqual(status);
        expect(await shOutput(bottle, 'echo alive')).toBe('alive');
      } finally {
        await under.backend.remove(bottle.id);
      }
    },
  },
  {
    id: 'F26',
    title: 'a bottle comes back after a reboot of the host',
    run: async ({ under, skip }) => {
      if (under.reboot === undefined) return skip('the setup of this backend cannot stand for a reboot');
      const bottle = await under.launch();
      await shOutput(bottle, 'echo kept > "$HOME/file"');
      const again = await under.reboot(bottle);
      await again.start();
      expect(await shOutput(again, 'cat "$HOME/file"')).toBe('kept');
      await under.backend.remove(bottle.id);
    },
  },
  {
    id: 'F27',
    title: 'a launch that breaks off at any step leaves nothing',
    run: async ({ under }) => {
      const before = await idsOf(under);
      for (const stop of ['created', 'sealed'] as const) {
        const broken = under.launch(
          {},
          { onPhase: async (phase) => (phase === stop ? Promise.reject(new Error(`broken at ${stop}`)) : undefined) },
        );
        await expect(broken).rejects.toThrow(`broken at ${stop}`);
        expect(await idsOf(under)).toEqual(before);
      }
    },
  },
  {
    id: 'F28',
    title: 'the clock is that of the host',
    run: async ({ bottle }) => {
      // a clock that is emulated loses time on a busy host
      const most = patient(2_000);
      const before = Date.now();
      const inside = 1000 * Number(await shOutput(bottle, 'date +%s.%N'));
      expect(inside).toBeGreaterThan(before - most);
      expect(inside).toBeLessThan(Date.now() + most);
    },
  },
  {
    id: 'F29',
    title: 'logs are those of the first process and hold no output of commands',
    run: async ({ bottle, under }) => {
      const word = uniqueWord();
      await shOutput(bottle, 'echo "$0"; echo "$0" >&2', [word]);
      expect(await text(await bottle.logs())).not.toContain(word);
      const ended = await under.launch();
      await ended.stop({ graceMs: 0 });
      expect(await text(await ended.logs())).toBeTypeOf('string');
      await under.backend.remove(ended.id);
    },
  },
  {
    id: 'F62',
    title: 'a usable backend says so, and a wrong wish is refused before anything is made',
    run: async ({ under, bottle }) => {
      const report = await under.backend.probe();
      expect(report).toMatchObject({ state: 'available', version: expect.stringMatching(/\d/) });
      const notes = report.state === 'available' ? report.notes : report.findings;
      for (const note of notes)
        expect(note).toEqual({
          code: expect.stringMatching(/^[A-Z_0-9]+$/),
          message: expect.stringMatching(/.{10}/),
          fix: expect.stringMatching(/.{5}/),
        });
      const before = await idsOf(under);
      const { spec } = bottle.plan;
      expect((await errorOf(under.backend.resolve({ ...spec, slug: '../escape' }))).code).toBe('USAGE');
      expect(['IMAGE_UNAVAILABLE', 'INVALID_CONFIG']).toContain(
        (await errorOf(under.backend.resolve({ ...spec, image: '--privileged' }))).code,
      );
      expect((await errorOf(under.launch({ image: 'localhost/terok/absent:never' }))).code).toBe('IMAGE_UNAVAILABLE');
      expect(await idsOf(under)).toEqual(before);
    },
  },
  {
    id: 'F63',
    title: 'a second handle works, closing a handle leaves the bottle, and removal frees the host user’s files',
    run: async ({ under }) => {
      const bottle = await under.launch();
      const second = await under.reopen(bottle);
      expect(await shOutput(second, 'echo second')).toBe('second');
      await second[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      expect(await shOutput(bottle, 'echo first')).toBe('first');
      await under.backend.remove(bottle.id);
      await expectGone(under, bottle);
      const left = await stat(bottle.plan.stateDir).catch(() => undefined);
      expect(left === undefined || left.uid === process.getuid?.()).toBe(true);
    },
  },
  {
    id: 'F66',
    title: 'a paused bottle stands still and takes no command, goes on where it was, and can be stopped and removed',
    unless: ({ capabilities }) => (capabilities.pausable ? undefined : 'the backend declares that it cannot pause'),
    run: async ({ under, skip }) => {
      const bottle = await under.launch();
      const child = await bottle.spawn(['sh', '-c', 'while :; do echo tick; sleep 0.05; done']);
      let ticks = 0;
      child.stdout.on('data', () => {
        ticks += 1;
      });
      await waitUntil(() => ticks > 2, 20_000, 'the first ticks');
      const paused = await bottle.pause().catch((error: unknown) => error);
      if (paused instanceof Error && /cgroup|freez/i.test(paused.message)) skip(`this host cannot pause: ${paused.message}`);
      expect(paused).toBeUndefined();
      expect(await bottle.status()).toBe('paused');
      await sleep(300);
      const before = ticks;
      await sleep(700);
      expect(ticks).toBe(before);
      for (const handle of [bottle, await under.reopen(bottle)]) expect((await errorOf(handle.exec(['true']))).code).toBe('WRONG_STATE');
      expect((await errorOf(bottle.start())).code).toBe('WRONG_STATE');
      await bottle.resume();
      await bottle.resume();
      await waitUntil(() => ticks > before + 2, 20_000, 'more ticks');
      expect(await shOutput(bottle, 'echo on')).toBe('on');
      await bottle.pause();
      await bottle.stop({ graceMs: 0 });
      expect(await bottle.status()).toBe('stopped');
      await bottle.start();
      await bottle.pause();
      await under.backend.remove(bottle.id);
      await expectGone(under, bottle);
    },
  },
  {
    id: 'F65',
    title: 'a launch whose network never gets ready can be cancelled and leaves nothing',
    timeoutMs: 120_000,
    run: async ({ under }) => {
      const before = await idsOf(under);
      const failed = Promise.reject(new Error('the network is broken'));
      failed.catch(() => undefined);
      await expect(under.launch({}, { ready: failed })).rejects.toThrow('the network is broken');
      expect(await idsOf(under)).toEqual(before);
      await expect(under.launch({}, { signal: AbortSignal.abort() })).rejects.toThrow();
      expect(await idsOf(under)).toEqual(before);
    },
  },
];
