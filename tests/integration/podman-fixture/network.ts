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
  const setUp = 'ip link set lo up && ip route add local 198.18.0.0/15 dev lo && echo $$ && exec sleep infinity';
  const holder = spawn('env', [...plan.namespaceLauncher, 'unshare', '--net', 'sh', '-c', setUp], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(holder.stdout, 'data')) as [Buffer];
  const holderPid = Number(line.toString());
  const execSocket = path.join(plan.runtimeDir, 'exec.sock');
  await rm(execSocket, { force: true });
  const owner = plan.namespaceLauncher.length === 0 ? [] : ['-U', '--preserve-credentials'];
  const program = path.join(import.meta.dirname, 'splice.ts');
  const enter = ['-t', String(holderPid), ...owner, '-n', '--'];
  const splice = spawn('nsenter', [...enter, process.execPath, program, execSocket], { stdio: ['ignore', 'pipe', 'inherit'] });
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
