import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { type BottlePlan, type SealedNetwork } from '../../../src/core/index.ts';

export interface TestNetwork extends SealedNetwork, AsyncDisposable {
  readonly holderPid: number;
}

/** A network namespace with loopback, the AnyIP route and the control listener: what the gateway makes, without any policy. */
export async function makeTestNetwork(plan: BottlePlan): Promise<TestNetwork> {
  await mkdir(plan.runtimeDir, { recursive: true, mode: 0o700 });
  const [file = 'unshare', ...prefix] = plan.namespaceLauncher.length === 0 ? ['unshare'] : [...plan.namespaceLauncher, 'unshare'];
  const holder = spawn(
    file,
    [...prefix, '--net', 'sh', '-c', 'ip link set lo up && ip route add local 198.18.0.0/15 dev lo && echo $$ && exec sleep infinity'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(holder.stdout, 'data')) as [Buffer];
  const holderPid = Number(line.toString());
  const execSocket = path.join(plan.runtimeDir, 'exec.sock');
  await rm(execSocket, { force: true });
  const enter =
    plan.namespaceLauncher.length === 0
      ? ['nsenter', '-t', String(holderPid), '-n', '--']
      : ['nsenter', '-t', String(holderPid), '-U', '-n', '--preserve-credentials', '--'];
  const [nsenter = 'nsenter', ...enterArgs] = enter;
  const splice = spawn(nsenter, [...enterArgs, process.execPath, path.join(import.meta.dirname, 'splice.ts'), execSocket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(splice.stdout, 'data');
  return {
    holderPid,
    namespacePath: `/proc/${holderPid}/ns/net`,
    execSocket,
    ready: Promise.resolve(),
    [Symbol.asyncDispose]: async () => {
      await end(splice);
      process.kill(holderPid, 'SIGKILL');
      await end(holder);
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
