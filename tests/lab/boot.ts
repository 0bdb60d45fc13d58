import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ignoreCodes, run, runOrThrow } from '../../src/core/index.ts';
import type { Lab } from './build-lab.ts';
import { makeEmptyDisk } from './disks.ts';

export interface BootRequest {
  readonly lab: Lab;
  readonly checkout: string;
  readonly modules: string;
  readonly images: string;
  /** A private directory for this boot: console, results */
  readonly dir: string;
  /** The lab is killed after this time whatever it does */
  readonly deadlineMs: number;
  readonly shell: boolean;
  /** Takes each line that the command prints; without it they are printed here as they come */
  readonly onLine?: (line: string) => void;
  /** Ends the machine at once */
  readonly signal: AbortSignal;
}

export interface LabResult {
  /** Exit code of the command; undefined where the lab ended without one */
  readonly exitCode: number | undefined;
  /** Directory with what the command put into `$TEROK_LAB_RESULTS` */
  readonly results: string;
  /** What the lab's kernel printed */
  readonly console: string;
}

const MEMORY_MIB = 7168;
const RESULTS_MIB = 64;

/** Starts the emulated machine, shows the output of its command, and ends with it; never later than the deadline. */
export async function bootLab(request: BootRequest): Promise<LabResult> {
  const results = path.join(request.dir, 'results.tar');
  const log = path.join(request.dir, 'console.log');
  await makeEmptyDisk(results, RESULTS_MIB);
  const argv = ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...machine(request, log), ...disks(request, results)];
  // the emulator dies with this process, whatever kills it; it takes the end of its input for the end of its output
  const output = request.onLine === undefined ? 'inherit' : 'pipe';
  const ending = AbortSignal.any([request.signal, AbortSignal.timeout(request.deadlineMs)]);
  const child = spawn('setpriv', argv, { stdio: [request.shell ? 'inherit' : 'pipe', output, openSync(`${log}.qemu`, 'w')] });
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => request.onLine?.(line));
  const kill = (): void => void child.kill('SIGKILL');
  ending.addEventListener('abort', kill);
  await once(child, 'close');
  ending.removeEventListener('abort', kill);
  request.signal.throwIfAborted();
  const dir = path.join(request.dir, 'results');
  await runOrThrow(['mkdir', '-p', dir]);
  await run(['tar', '-xf', results, '-C', dir, '--no-same-owner']);
  await rm(results, { force: true });
  const code = await ignoreCodes(['ENOENT'], () => readFile(path.join(dir, 'exit-code'), 'utf8'));
  return { exitCode: code === undefined ? undefined : Number(code), results: dir, console: log };
}

/** One processor: with two, nested guests crashed the emulated machine. */
function machine({ lab, shell }: BootRequest, log: string): string[] {
  // on a busy host the check of the timer fails, which is a panic; and where machines run, the emulator now and then forgets an interrupt
  // that is waiting until the next one comes: only a timer that never waits to be set anew wakes such a processor
  const timer = 'no_timer_check nohz=off highres=off';
  const kernel = `console=ttyS0 root=/dev/vda rw init=/usr/local/sbin/lab-init panic=-1 ${timer} quiet`;
  return [
    '-accel',
    'tcg,thread=multi',
    '-cpu',
    'EPYC,+svm,+npt',
    '-smp',
    '1',
    '-M',
    'q35',
    '-m',
    String(MEMORY_MIB),
    '-nodefaults',
    '-no-reboot',
    '-display',
    'none',
    '-kernel',
    lab.kernel,
    '-initrd',
    lab.initrd,
    '-append',
    kernel,
    '-chardev',
    `file,id=console,path=${log}`,
    '-serial',
    'chardev:console',
    '-device',
    'virtio-rng-pci',
    '-device',
    'virtio-serial',
    '-chardev',
    'stdio,id=output,signal=off',
    '-device',
    shell ? 'virtconsole,chardev=output' : 'virtserialport,chardev=output,name=terok.lab',
  ];
}

/** Disks of the cache are written to in memory of the host only; the order is that of `init.sh`. */
function disks({ lab, checkout, modules, images }: BootRequest, results: string): string[] {
  const drive = (file: string, options: string): string[] => ['-drive', `file=${file},if=virtio,format=raw,${options}`];
  return [
    ...drive(lab.disk, 'snapshot=on,cache=unsafe'),
    ...drive(checkout, 'readonly=on'),
    ...drive(modules, 'readonly=on'),
    ...drive(images, 'snapshot=on,cache=unsafe'),
    ...drive(results, 'cache=unsafe'),
  ];
}
