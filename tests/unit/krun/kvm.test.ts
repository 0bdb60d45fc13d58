import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKvmProblems, type KvmFiles } from '../../../src/backends/krun/kvm.ts';

let dir: string;
let files: KvmFiles;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tk-kvm-'));
  files = { device: path.join(dir, 'kvm'), cpuInfo: path.join(dir, 'cpuinfo') };
  await writeFile(files.device, '');
  await writeFile(files.cpuInfo, 'processor\t: 0\nflags\t\t: fpu svm sse\n');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const codes = async (arch?: string): Promise<string[]> => (await findKvmProblems(files, arch)).map(({ code }) => code);

describe('what speaks against machines before one is started', () => {
  it('is nothing where the device opens and the processor has the flag', async () => {
    expect(await codes('x64')).toEqual([]);
  });

  it('is that the kernel has no device', async () => {
    await rm(files.device);
    expect(await codes('x64')).toEqual(['KVM_MISSING']);
  });

  it('is that a device opens whose processor has no flag, which proves nothing', async () => {
    await writeFile(files.cpuInfo, 'flags\t\t: fpu sse svme xvmx\n');
    expect(await codes('x64')).toEqual(['KVM_USELESS']);
  });

  it('is another architecture, before anything else', async () => {
    await rm(files.device);
    expect(await codes('riscv64')).toEqual(['ARCH_UNSUPPORTED']);
  });

  it('has the flag of the processor on x64 alone', async () => {
    await writeFile(files.cpuInfo, 'Features\t: fp asimd\n');
    expect(await codes('arm64')).toEqual([]);
  });
});
