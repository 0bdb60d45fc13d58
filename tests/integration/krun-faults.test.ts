import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MAX_LOG_BYTES } from '../../src/backends/oci/create-arguments.ts';
import type { PodmanHost } from '../../src/backends/oci/index.ts';
import { type Bottle, type BottleProcess, bottleDirs, patient } from '../../src/core/index.ts';
import { networkFiles } from '../../src/sidecars/gateway/network-files.ts';
import { recordedProcess } from '../../src/sidecars/gateway/process-record.ts';
import { askStatus } from '../../src/sidecars/gateway/readiness.ts';
import type { BackendUnderTest } from '../conformance/support/case.ts';
import { errorOf, sh, shOutput, waitUntil } from '../conformance/support/in-bottle.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { temporaryPaths } from '../support/temporary-paths.ts';
import { processesWith, sampleRepository, terokCli } from '../support/terok-cli.ts';
import { IMAGE, inspect, useMachines, whyNoMachines } from './krun-fixture.ts';
import { expectNoRoadOpen, expectRoadsOpen, openHostServers } from './krun-roads.ts';

const run = promisify(execFile);
const SLOW = { timeout: patient(60_000) };
const MIB = 1024 * 1024;
const PAUSE_MS = 15_000;
/** Where the loader of the lab finds libkrun and its kernel; `ldconfig -p` goes on naming them when they are gone. */
const LIBRARIES = '/usr/local/lib';

async function residentMiB(pid: string): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function processOf(file: string): { readonly pid: number } {
  const found = recordedProcess(file);
  if (found === undefined) throw new Error(`\`${file}\` names no process that runs`);
  return found;
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

  describe('where the machines of this host are changed', () => {
    /** What a program of Node prints where a shell command has changed what is mounted. */
    const printed = async (mount: string, program: string, env: NodeJS.ProcessEnv = {}): Promise<unknown> => {
      const argv = ['--mount', 'sh', '-c', `${mount} && exec "$@"`, 'sh', process.execPath, '--input-type=module', '--eval', program];
      return JSON.parse((await run('unshare', argv, { env: { ...process.env, ...env } })).stdout);
    };
    const moduleOf = (name: string): string => JSON.stringify(pathToFileURL(path.join(import.meta.dirname, '../../src', name)).href);

    it('a libkrun or a kernel of guests that is gone is named, though the loader still lists it', SLOW, async ({ skip }) => {
      if (process.env.TEROK_LAB !== '1') skip('only the lab is known to have them in `/usr/local/lib`');
      const program = `import { findKrun } from ${moduleOf('backends/krun/find-krun.ts')}; console.log(JSON.stringify(await findKrun()))`;
      expect(await printed('true', program)).toMatchObject({ krun: {} });
      expect(await printed(`mount -t tmpfs none ${LIBRARIES}`, program)).toMatchObject({
        findings: [
          { code: 'LIBKRUN_MISSING', fix: 'Install libkrun.' },
          { code: 'LIBKRUNFW_MISSING', fix: 'Install libkrunfw.' },
        ],
      });
    });

    it('a device that opens and makes no machine is told from a good one by a machine that is tried', SLOW, async () => {
      await using home = await temporaryPaths();
      const program = `import { createKrunBackend } from ${moduleOf('backends/krun/index.ts')};
        import { resolvePaths } from ${moduleOf('core/index.ts')};
        console.log(JSON.stringify(await createKrunBackend({ paths: resolvePaths(process.env), env: process.env }).probe()))`;
      expect(await printed('mount --bind /dev/null /dev/kvm', program, home.env)).toMatchObject({
        state: 'broken',
        findings: [{ code: 'KVM_BOOT_FAILED', message: expect.stringMatching(/does not boot here: ./) }],
      });
    });
  });

  it('a gateway that is killed leaves a running machine without a network, until another one serves the same policy', SLOW, async () => {
    await using servers = await openHostServers();
    const other = await under.launch({ egress: { version: 1, routes: [servers.route] } });
    const files = networkFiles(other.plan);
    const monitor = await inspect(podman, other, '{{.State.Pid}}');
    const notes = path.join(await inspect(podman, other, '{{.GraphDriver.Data.UpperDir}}'), await shOutput(other, 'echo ~/roads'));
    await other.exec(servers.tryRoads);
    await expectRoadsOpen(servers);

    const [keeper, gateway] = [processOf(files.keeper), processOf(files.process)];
    // nobody makes another one meanwhile
    process.kill(keeper.pid, 'SIGSTOP');
    process.kill(gateway.pid, 'SIGKILL');
    await waitUntil(() => recordedProcess(files.process) === undefined, 5_000, 'the gateway is gone');
    const first = await expectNoRoadOpen(servers, notes);
    process.kill(keeper.pid, 'SIGCONT');

    await waitUntil(async () => (await askStatus(files)) !== undefined, 15_000, 'another gateway serves');
    expect(recordedProcess(files.process)).not.toEqual(gateway);
    await expectRoadsOpen(servers, first);
    expect(await shOutput(other, 'getent hosts example.com || echo refused')).toBe('refused');
    expect(await inspect(podman, other, '{{.State.Pid}}')).toBe(monitor);
    expect(servers.strangers()).toBe(0);
    await under.backend.remove(other.id);
  });

  it('a gateway that is killed with its keeper is made again by the next command, for the machine that ran on without', SLOW, async () => {
    await using servers = await openHostServers();
    await using terok = await terokCli({ TEROK_BACKEND: 'krun' });
    await mkdir(terok.paths.config, { recursive: true });
    await writeFile(path.join(terok.paths.config, 'config.yml'), JSON.stringify({ egress: { routes: [servers.route] } }));
    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await terok.run(args);
      expect({ args, code, stderr }).toMatchObject({ code: 0 });
      return stdout;
    };
    await succeed('run', await sampleRepository(terok.root), '--name', 'cut', '--image', IMAGE, '--keep', '--', 'true');
    await succeed('exec', 'cut', '--', ...servers.tryRoads);
    const container = (await podman.call('find it', ['ps', '--quiet', '--filter', 'label=terok.slug=cut'])).trim();
    const look = async (field: string): Promise<string> =>
      (await podman.call('look at it', ['container', 'inspect', '--format', field, container])).trim();
    const [monitor, upper] = [await look('{{.State.Pid}}'), await look('{{.GraphDriver.Data.UpperDir}}')];
    await expectRoadsOpen(servers);

    const files = networkFiles(bottleDirs(terok.paths, 'cut'));
    for (const { pid } of [files.keeper, files.process].map(processOf)) process.kill(pid, 'SIGKILL');
    await waitUntil(() => recordedProcess(files.process) === undefined, 5_000, 'the gateway is gone');
    const first = await expectNoRoadOpen(servers, path.join(upper, 'home/agent/roads'));

    expect(await succeed('exec', 'cut', '--', 'sh', '-c', 'getent hosts example.com || echo refused')).toBe('refused\n');
    await expectRoadsOpen(servers, first);
    expect(await look('{{.State.Pid}}')).toBe(monitor);
    expect(servers.strangers()).toBe(0);
    await succeed('rm', '--force', 'cut');
    expect(processesWith(terok.root)).toEqual([]);
    expect(await podman.call('find it', ['ps', '--all', '--quiet', '--filter', 'label=terok.slug=cut'])).toBe('');
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
