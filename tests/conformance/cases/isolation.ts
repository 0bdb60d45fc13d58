import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { expect } from 'vitest';
import { type Bottle, isTerokError, patient, type ResourceLimits } from '../../../src/core/index.ts';
import { type CaseContext, type ConformanceCase, withoutIsolation, withoutLimits } from '../support/case.ts';
import { findInFiles, findInProcesses } from '../support/host.ts';
import { sh, shOutput, uniqueWord, waitUntil } from '../support/in-bottle.ts';

/** Filesystems of the kernel, which show nothing of the host's files. */
const PSEUDO = new Set(['proc', 'sysfs', 'tmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2', 'devtmpfs']);
const OWN_FILES = new Set(['/', '/etc/hosts', '/etc/resolv.conf', '/etc/hostname', '/run/.containerenv']);

const LIMITS: ResourceLimits = { memoryMiB: 256, cpus: 1, pids: 120, files: 2048 };

/** A bottle with small limits; ends the case where this host cannot enforce the one in question. */
async function limited({ under, skip, atEnd }: CaseContext, limit: keyof ResourceLimits | 'memory'): Promise<Bottle> {
  const bottle = await under.launch({ limits: LIMITS });
  atEnd(() => under.backend.remove(bottle.id));
  if (bottle.plan.missingLimits.some((missing) => missing === limit)) return skip(`this host cannot enforce \`${limit}\` for this user`);
  return bottle;
}

export const isolationCases: readonly ConformanceCase[] = [
  {
    id: 'F38',
    title: 'no path of the host is mounted',
    unless: withoutIsolation,
    run: async ({ bottle, under }) => {
      const mounts = (await shOutput(bottle, 'cat /proc/self/mountinfo')).split('\n').map((line) => line.split(' '));
      expect(mounts.length).toBeGreaterThan(2);
      const typeOf = (fields: readonly string[]): string => fields[fields.indexOf('-') + 1] ?? '';
      // the file server of a machine shows its own, the container's, below that of the machine's kernel
      const isServed = (fields: readonly string[]): boolean =>
        under.backend.capabilities.ownKernel && fields[4] === '/proc' && typeOf(fields) === 'virtiofs';
      const strange = mounts.filter((fields) => !OWN_FILES.has(fields[4] ?? '') && !PSEUDO.has(typeOf(fields)) && !isServed(fields));
      expect(strange.map((fields) => fields.join(' '))).toEqual([]);
    },
  },
  {
    id: 'F39',
    title: 'root of the bottle cannot make read-only mounts writable, nor mount anything',
    unless: withoutIsolation,
    run: async ({ bottle, under, skip }) => {
      if (under.backend.capabilities.ownKernel) return skip('root may mount in a kernel of its own');
      for (const script of [
        'mount -o remount,rw /proc/sys',
        'mount -t tmpfs none /mnt',
        'mount --bind /etc /mnt',
        'umount /proc/sys',
        'unshare -m true',
        'chroot / mount -t proc none /mnt',
      ]) {
        const { status } = await sh(bottle, script, [], { user: 'root' });
        expect(`${script}: ${status.kind === 'exited' && status.code === 0}`).toBe(`${script}: false`);
      }
    },
  },
  {
    id: 'F53',
    title: 'a secret of a command is in no command line, no other environment and no file of the host',
    run: async ({ bottle, under }) => {
      const [secret, mark, control] = [uniqueWord(), uniqueWord(), uniqueWord()];
      const leaking = spawn('sleep', ['20'], { env: { LEAK: control, PATH: process.env.PATH } });
      await once(leaking, 'spawn');
      await waitUntil(async () => (await findInProcesses(control, mark)).length === 1, 3_000, 'the scan sees a leak');
      leaking.kill();
      const env = { SECRET: secret, MARK: mark, MULTI: `a\n${secret}\nb` };
      const running = await bottle.spawn(['sh', '-c', 'echo ready; cat; sleep 0.2; printenv SECRET'], { env });
      const output = new Promise<string>((resolve) => {
        const parts: Buffer[] = [];
        running.stdout.on('data', (chunk: Buffer) => parts.push(chunk)).once('end', () => resolve(Buffer.concat(parts).toString()));
      });
      for (let scan = 0; scan < 5; scan += 1) expect(await findInProcesses(secret, mark)).toEqual([]);
      running.stdin.end(secret);
      expect(await findInProcesses(secret, mark)).toEqual([]);
      expect(await output).toBe(`ready\n${secret}${secret}\n`);
      const again = sh(bottle, 'sleep 0.3', [], { env, input: secret });
      expect(await findInProcesses(secret, mark)).toEqual([]);
      await again;
      expect(await findInFiles(under.directories, secret)).toEqual([]);
    },
  },
  {
    id: 'F54',
    title: 'the bottle has the memory that it was given',
    unless: withoutLimits,
    run: async (context) => {
      const bottle = await limited(context, 'memory');
      const script = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -n 1';
      const shown = context.under.backend.capabilities.ownKernel ? 'awk "/MemTotal/{print \\$2*1024}" /proc/meminfo' : script;
      const text = await shOutput(bottle, shown);
      if (text === '') return context.skip('the bottle does not show its control group; F25 shows the limit at work');
      expect(Math.abs(Number(text) / (LIMITS.memoryMiB * 1024 ** 2) - 1)).toBeLessThan(0.1);
    },
  },
  {
    id: 'F55',
    title: 'the bottle has the processors that it was given',
    unless: withoutLimits,
    run: async (context) => {
      const bottle = await limited(context, 'cpus');
      if (context.under.backend.capabilities.ownKernel) {
        expect(await shOutput(bottle, 'nproc')).toBe(String(LIMITS.cpus));
        return;
      }
      // Four busy shells for two seconds of wall time get what one processor has in that time
      const script = 'for i in 1 2 3 4; do timeout 2 sh -c "while :; do :; done" & done; wait; times | tail -n 1';
      const { stdout } = await sh(bottle, script);
      const [minutes = 0, seconds = 0] = stdout.toString().split(/[ms]/).map(Number);
      expect(minutes * 60 + seconds).toBeLessThan(2.6);
    },
  },
  {
    id: 'F56',
    title: 'a fork bomb stops at the limit, and bottle and host go on',
    unless: withoutLimits,
    run: async (context) => {
      const bottle = await limited(context, 'pids');
      const { status } = await sh(bottle, 'i=0; while [ $i -lt 400 ]; do sleep 20 & i=$((i+1)); done; echo all', [], {
        timeoutMs: patient(15_000),
      });
      expect(status).not.toEqual({ kind: 'exited', code: 0 });
      await waitUntil(
        async () => (await sh(bottle, 'pkill -KILL sleep; exit 0').catch(() => undefined))?.status.kind === 'exited',
        30_000,
        'a command runs again',
      );
      expect(await shOutput(bottle, 'echo alive')).toBe('alive');
    },
  },
  {
    id: 'F57',
    title: 'a disk limit holds, or the bottle starts only where the user lets that limit be missing',
    run: async ({ under, atEnd }) => {
      const limits = { ...LIMITS, diskMiB: 128 };
      const launched = await under.launch({ limits }).catch((error: unknown) => error);
      if (isTerokError(launched)) {
        expect(launched).toMatchObject({ code: 'LIMIT_UNENFORCEABLE', message: expect.stringMatching(/\bdisk\b/) });
        const bottle = await under.launch({ limits, unenforcedLimits: ['memory', 'cpus', 'pids', 'files', 'disk'] });
        atEnd(() => under.backend.remove(bottle.id));
        expect(bottle.plan.missingLimits).toContain('disk');
        return;
      }
      const bottle = launched as Bottle;
      atEnd(() => under.backend.remove(bottle.id));
      expect(bottle.plan.missingLimits).not.toContain('disk');
      const { status, stderr } = await sh(bottle, 'head -c 200M /dev/zero >~/large');
      expect(status).not.toEqual({ kind: 'exited', code: 0 });
      expect(stderr.toString()).toMatch(/No space left|quota exceeded/i);
      expect(await shOutput(bottle, 'rm ~/large && echo alive')).toBe('alive');
    },
  },
  {
    id: 'F58',
    title: 'a process has the open files that it was given',
    unless: withoutLimits,
    run: async (context) => {
      const bottle = await limited(context, 'files');
      expect(await shOutput(bottle, 'ulimit -Hn')).toBe(String(LIMITS.files));
    },
  },
  {
    id: 'F59',
    title: 'the kernel is the one that the capabilities declare',
    unless: withoutIsolation,
    run: async ({ bottle, under }) => {
      const inside = await shOutput(bottle, 'uname -r; cat /proc/sys/kernel/random/boot_id');
      const outside = `${release()}\n${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}`;
      if (under.backend.capabilities.ownKernel) expect(inside.split('\n')[1]).not.toBe(outside.split('\n')[1]);
      else expect(inside).toBe(outside);
    },
  },
  {
    id: 'F60',
    title: 'a command lands beside the first process of the bottle and sees nothing of the host',
    unless: withoutIsolation,
    run: async ({ bottle }) => {
      const word = uniqueWord();
      const child = spawn('sleep', ['30'], { argv0: word });
      await once(child, 'spawn');
      try {
        const isShown = async (): Promise<boolean> => (await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).startsWith(word);
        await waitUntil(isShown, 3_000, 'the host shows the process');
        expect(await shOutput(bottle, 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "')).not.toContain(word);
        expect(await shOutput(bottle, 'ls -d /proc/[0-9]* | wc -l').then(Number)).toBeLessThan(100);
        expect((await shOutput(bottle, 'tr "\\0" " " < /proc/1/cmdline')).length).toBeGreaterThan(0);
      } finally {
        child.kill();
      }
    },
  },
  {
    id: 'F61',
    title: 'root of the bottle changes no setting of the host’s kernel',
    unless: withoutIsolation,
    run: async ({ bottle, under, skip }) => {
      if (under.backend.capabilities.ownKernel) return skip('the settings are those of a kernel of its own');
      // Writing what is there already: harmless where the defence is missing
      for (const file of [
        '/proc/sys/kernel/core_pattern',
        '/proc/sys/kernel/panic',
        '/proc/sys/vm/swappiness',
        '/proc/sys/kernel/hostname',
      ]) {
        const { status } = await sh(bottle, 'value=$(cat "$0") && printf %s "$value" > "$0"', [file], { user: 'root' });
        expect(`${file} ${status.kind === 'exited' && status.code === 0}`).toBe(`${file} false`);
      }
      const { status } = await sh(bottle, 'echo h > /proc/sysrq-trigger', [], { user: 'root' });
      expect(status).not.toEqual({ kind: 'exited', code: 0 });
    },
  },
  {
    id: 'F61b',
    title: 'the agent has no capability and cannot gain one',
    unless: withoutIsolation,
    run: async ({ bottle, under, skip }) => {
      if (under.backend.capabilities.ownKernel) return skip('rights inside a kernel of its own are no rights on the host');
      expect(await shOutput(bottle, 'grep -E "^(CapInh|CapPrm|CapEff|CapAmb)" /proc/self/status | tr -d "A-Za-z:\\t\\n0"')).toBe('');
      expect(await shOutput(bottle, 'awk "/NoNewPrivs|^Seccomp:/{print \\$2}" /proc/self/status')).toBe('1\n2');
    },
  },
];
