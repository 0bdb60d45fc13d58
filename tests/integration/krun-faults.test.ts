import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { MAX_LOG_BYTES } from '../../src/backends/oci/create-arguments.ts';
import type { PodmanHost } from '../../src/backends/oci/index.ts';
import { type Bottle, type BottleProcess, patient } from '../../src/core/index.ts';
import { networkFiles } from '../../src/sidecars/gateway/network-files.ts';
import { recordedProcess } from '../../src/sidecars/gateway/process-record.ts';
import { askStatus } from '../../src/sidecars/gateway/readiness.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { errorOf, sh, shOutput, waitUntil } from '../conformance/support/in-bottle.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { inspect, useMachines, whyNoMachines } from './krun-fixture.ts';
import { openHostServers } from './krun-roads.ts';

const run = promisify(execFile);
const SLOW = { timeout: patient(60_000) };
const MIB = 1024 * 1024;
const PAUSE_MS = 15_000;
/** The machine tries every road out each half second. */
const ROUNDS_WITHOUT_GATEWAY = 10;
/** Where the loader of the lab finds libkrun and its kernel; `ldconfig -p` goes on naming them when they are gone. */
const LIBRARIES = '/usr/local/lib';

async function residentMiB(pid: string): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

describeUnless(await whyNoMachines(), 'faults of machines', () => {
  let under: BackendUnderTest;
  let podman: PodmanHost;
  let bottle: Bottle;

  useMachines((machines) => ({ under, podman, bottle } = machines));

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

  it('a disk that the guest fills is full for the guest alone, and the machine goes on', SLOW, async () => {
    const directory = path.dirname(await inspect(podman, bottle, '{{.GraphDriver.Data.UpperDir}}'));
    const ballast = path.join(directory, 'ballast');
    const { bavail, bsize } = await statfs(directory);
    try {
      await run('fallocate', ['--length', String(bavail * bsize - 8 * MIB), ballast]);
      const { status, stderr } = await sh(bottle, 'head -c 16M /dev/zero >~/fill');
      expect({ status, stderr: stderr.toString() }).toMatchObject({
        status: { code: 1 },
        stderr: expect.stringContaining('No space left'),
      });
      expect(await shOutput(bottle, 'rm ~/fill; echo goes on')).toBe('goes on');
    } finally {
      await rm(ballast);
    }
    expect(await shOutput(bottle, 'head -c 1M /dev/zero >~/fill && stat -c %s ~/fill && rm ~/fill')).toBe(String(MIB));
  });

  it('a libkrun or a kernel of guests that is gone is named, though the loader still lists it', SLOW, async ({ skip }) => {
    if (process.env.TEROK_LAB !== '1') skip('only the lab is known to have them in `/usr/local/lib`');
    const module = pathToFileURL(path.join(import.meta.dirname, '../../src/backends/krun/find-krun.ts')).href;
    const program = `import { findKrun } from ${JSON.stringify(module)}; console.log(JSON.stringify(await findKrun()))`;
    const find = async (before: string): Promise<unknown> => {
      const argv = ['--mount', 'sh', '-c', `${before} && exec "$@"`, 'sh', process.execPath, '--input-type=module', '--eval', program];
      return JSON.parse((await run('unshare', argv)).stdout);
    };
    expect(await find('true')).toMatchObject({ krun: {} });
    expect(await find(`mount -t tmpfs none ${LIBRARIES}`)).toMatchObject({
      findings: [
        { code: 'LIBKRUN_MISSING', fix: 'Install libkrun.' },
        { code: 'LIBKRUNFW_MISSING', fix: 'Install libkrunfw.' },
      ],
    });
  });

  it('a gateway that is killed leaves a running machine without a network, until another one serves the same policy', SLOW, async () => {
    await using servers = await openHostServers();
    const other = await under.launch({ egress: { version: 1, routes: [servers.route] } });
    const files = networkFiles(other.plan);
    const monitor = await inspect(podman, other, '{{.State.Pid}}');
    const notes = path.join(await inspect(podman, other, '{{.GraphDriver.Data.UpperDir}}'), await shOutput(other, 'echo ~/roads'));
    const roundsTried = async (): Promise<number> => (await readFile(notes, 'utf8')).match(/tried/g)?.length ?? 0;
    const since = (first: number): string[] => servers.seen.filter((url) => Number(url.split('/').at(-1)) >= first);
    await servers.tryRoads(other);
    const passes = (first: number) => (): boolean => ['route', 'proxy'].every((road) => since(first).some((url) => url.includes(road)));
    await waitUntil(passes(0), 15_000, 'the machine reaches the server by the roads that its route opens');

    const [keeper, gateway] = [recordedProcess(files.keeper), recordedProcess(files.process)];
    if (keeper === undefined || gateway === undefined) throw new Error('there is no gateway to kill');
    // nobody makes another one meanwhile
    process.kill(keeper.pid, 'SIGSTOP');
    process.kill(gateway.pid, 'SIGKILL');
    await waitUntil(() => recordedProcess(files.process) === undefined, 5_000, 'the gateway is gone');
    // the round that was under way does not count
    const first = (await roundsTried()) + 1;
    await waitUntil(async () => (await roundsTried()) >= first + ROUNDS_WITHOUT_GATEWAY, 30_000, 'the machine tries on');
    expect(since(first)).toEqual([]);
    process.kill(keeper.pid, 'SIGCONT');

    await waitUntil(async () => (await askStatus(files)) !== undefined, 15_000, 'another gateway serves');
    expect(recordedProcess(files.process)).not.toEqual(gateway);
    await waitUntil(passes(first), 15_000, 'the machine reaches the server again');
    expect(await shOutput(other, 'getent hosts example.com || echo refused')).toBe('refused');
    expect(await inspect(podman, other, '{{.State.Pid}}')).toBe(monitor);
    expect([servers.strangers(), servers.seen.filter((url) => url.includes('straight'))]).toEqual([0, []]);
    await under.backend.remove(other.id);
  });

  it('a clock of the guest that is wrong is set right when the next session begins', SLOW, async () => {
    const behind = async (): Promise<number> => Date.now() / 1000 - Number(await shOutput(bottle, 'date +%s.%N'));
    await shOutput(bottle, 'date --set=-100seconds', [], { user: 'root' });
    expect(await behind()).toBeGreaterThan(90);
    await using second = await under.reopen(bottle);
    await second.exec(['true']);
    await waitUntil(async () => Math.abs(await behind()) < 2, 15_000, 'the clock is right');
  });

  it('a machine that was paused has the time of the host', SLOW, async () => {
    const { runtimeName } = bottle.plan;
    const secondsInside = async (): Promise<number> => Number(await shOutput(bottle, 'date +%s.%N'));
    const [hostBefore, before] = [Date.now() / 1000, await secondsInside()];
    await podman.call('pause', ['pause', runtimeName]);
    await sleep(PAUSE_MS);
    await podman.call('go on', ['unpause', runtimeName]);
    const after = await secondsInside();
    // the clock that stood still would be behind by the pause
    expect(after - before).toBeGreaterThan(PAUSE_MS / 1000);
    expect(after).toBeLessThan(Date.now() / 1000 + 2);
    expect(after).toBeGreaterThan(hostBefore + PAUSE_MS / 1000 - 2);
  });

  it('a guest that floods its console fills neither disk nor memory of the host, answers, and can be removed', SLOW, async () => {
    const other = await under.launch();
    const log = await inspect(podman, other, '{{.HostConfig.LogConfig.Path}}');
    const processes = await Promise.all(['Pid', 'ConmonPid'].map((field) => inspect(podman, other, `{{.State.${field}}}`)));
    const memory = (): Promise<number[]> => Promise.all(processes.map(residentMiB));
    const before = await memory();
    await shOutput(other, "setsid yes 'a word of a guest' >/dev/console 2>/dev/null </dev/null &", [], { user: 'root' });
    let largest = 0;
    const hasWrapped = async (): Promise<boolean> => {
      const { size } = await stat(log);
      const isLess = size < largest;
      largest = Math.max(largest, size);
      return isLess;
    };
    await waitUntil(hasWrapped, 15_000, 'the log begins anew');
    expect(largest).toBeLessThan(1.1 * MAX_LOG_BYTES);
    expect(await shOutput(other, 'echo answers')).toBe('answers');
    for (const [index, now] of (await memory()).entries()) expect(now - (before[index] ?? 0)).toBeLessThan(16);
    await under.backend.remove(other.id);
    expect(await other.status()).toBe('missing');
  });

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

  it('root of a guest that opens a port of its monitor for the second time ends its own machine, whose log says so', SLOW, async () => {
    const work = await startWork();
    // the init has closed that of its input; libkrun has one queue for each port, and gives it away when the port is opened
    const again = bottle.exec(['sh', '-c', 'for port in /dev/vport*; do (: >"$port"); done; sleep 5'], { user: 'root' });
    expect((await again).status).toMatchObject({ kind: 'lost' });
    expect(await text(await bottle.logs())).toContain('queue should exist');
    await expectEndAndRecovery(work);
  });

  it('a monitor that is out of memory is killed, and the machine starts again', SLOW, async () => {
    const work = await startWork();
    const group = (await readFile(`/proc/${await monitorOf()}/cgroup`, 'utf8')).split('::')[1]?.trim() ?? '';
    await writeFile(path.join('/sys/fs/cgroup', group, 'memory.max'), String(8 * 1024 * 1024));
    await expectEndAndRecovery(work);
  });
});
