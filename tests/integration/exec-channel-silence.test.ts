import { expect, test } from 'vitest';
import { patient } from '../../src/core/index.ts';
import { openChannel } from '../../src/exec-channel/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { startTestBottle, whyNoTestBottle } from './exec-channel-bottle.ts';

/** Stops the servers of its own session, which belong to the agent, and goes on itself. */
const STOP_SERVERS = `for dir in /proc/[0-9]*; do
  case $(cat $dir/comm 2>/dev/null) in sshd*) kill -STOP \${dir#/proc/} 2>/dev/null ;; esac
done
exec sleep 600`;
const SILENCE_MS = patient(6_000);

describeUnless(await whyNoTestBottle(), 'a bottle that keeps its connection and says nothing', () => {
  test('is lost after a time, and the next command gets a connection of its own', async () => {
    await using bottle = await startTestBottle();
    const channel = openChannel({ ...bottle, silenceMs: SILENCE_MS });
    const patientChannel = openChannel({ ...bottle, silenceMs: 100 * SILENCE_MS });
    try {
      const held = await patientChannel.spawn(['sleep', '600']);
      let ended = false;
      void held.exited.then(() => (ended = true));
      const stopped = await channel.exec(['sh', '-c', STOP_SERVERS]);
      // without the limit a command of the same servers goes on
      expect(ended).toBe(false);
      expect(stopped.status).toMatchObject({ kind: 'lost', reason: expect.stringMatching(/keepalive/i) });
      expect((await channel.exec(['echo', 'on'])).stdout.toString()).toBe('on\n');
    } finally {
      channel.close();
      patientChannel.close();
    }
  });

  test('a long command that prints nothing is not taken for it', async () => {
    await using bottle = await startTestBottle();
    const channel = openChannel({ ...bottle, silenceMs: SILENCE_MS });
    try {
      const quiet = await channel.exec(['sleep', String((1.5 * SILENCE_MS) / 1000)]);
      expect(quiet.status).toEqual({ kind: 'exited', code: 0 });
    } finally {
      channel.close();
    }
  });
});
