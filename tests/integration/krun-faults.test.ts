import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { PodmanHost } from '../../src/backends/oci/index.ts';
import { type Bottle, type BottleProcess, patient } from '../../src/core/index.ts';
import { errorOf, shOutput, waitUntil } from '../conformance/support/in-bottle.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { inspect, useMachines, whyNoMachines } from './krun-fixture.ts';

const SLOW = { timeout: patient(60_000) };

describeUnless(await whyNoMachines(), 'faults of machines', () => {
  let podman: PodmanHost;
  let bottle: Bottle;

  useMachines((machines) => ({ podman, bottle } = machines));

  const monitorOf = async (): Promise<number> => Number(await inspect(podman, bottle, '{{.State.Pid}}'));
  const startWork = async (): Promise<BottleProcess> => {
    const work = await bottle.spawn(['sh', '-c', 'echo kept >~/kept; echo started; sleep 3600']);
    await once(work.stdout, 'data');
    return work;
  };
  /** The command ends as lost, the bottle as stopped, and both work after a start. */
  const expectEndAndRecovery = async (work: BottleProcess): Promise<void> => {
    expect(await work.exited).toMatchObject({ kind: 'lost' });
    await waitUntil(async () => (await bottle.status()) === 'stopped', 15_000, 'the bottle is stopped');
    expect(await errorOf(bottle.exec(['true']))).toMatchObject({ code: 'WRONG_STATE' });
    await bottle.start();
    expect(await shOutput(bottle, 'cat ~/kept')).toBe('kept');
  };

  it('a panic of the guest ends its commands and its machine', SLOW, async () => {
    const work = await startWork();
    const panic = bottle.exec(['sh', '-c', 'echo 2 >/proc/sys/vm/panic_on_oom; exec tail /dev/zero'], { user: 'root' });
    expect((await panic).status).toMatchObject({ kind: 'lost' });
    await expectEndAndRecovery(work);
  });

  it('the end of the init inside ends its commands and its machine', SLOW, async () => {
    const work = await startWork();
    await bottle.exec(['sh', '-c', 'kill -KILL $(cat /run/terok-init.pid); sleep 5'], { user: 'root' });
    await expectEndAndRecovery(work);
  });

  it('a monitor that is out of memory is killed, and the machine starts again', SLOW, async () => {
    const work = await startWork();
    const group = (await readFile(`/proc/${await monitorOf()}/cgroup`, 'utf8')).split('::')[1]?.trim() ?? '';
    await writeFile(path.join('/sys/fs/cgroup', group, 'memory.max'), String(8 * 1024 * 1024));
    await expectEndAndRecovery(work);
  });
});
