import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKvmProblems } from '../../../src/backends/krun/kvm.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tk-kvm-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function problemsOf(flags: string, device: 'there' | 'absent' = 'there', arch = 'x64'): Promise<string[]> {
  const files = { device: path.join(dir, 'kvm'), cpuInfo: path.join(dir, 'cpuinfo') };
  await writeFile(files.cpuInfo, `processor\t: 0\nflags\t\t: fpu ${flags} sse\n`);
  if (device === 'there') await writeFile(files.device, '');
  return (await findKvmProblems(files, arch)).map(({ code }) => code);
}

describe('whether machines can run here', () => {
  it.each(['vmx', 'svm'])('finds nothing wrong where the device opens and the processor has %s', async (flag) => {
    expect(await problemsOf(flag)).toEqual([]);
  });

  it('does not take a device that opens for virtualisation', async () => {
    expect(await problemsOf('lm')).toEqual(['KVM_USELESS']);
  });

  it('names every reason at once', async () => {
    expect(await problemsOf('svmlike', 'absent')).toEqual(['KVM_MISSING', 'KVM_USELESS']);
  });

  it('asks an ARM processor for no flag, and refuses others', async () => {
    expect(await problemsOf('', 'there', 'arm64')).toEqual([]);
    expect(await problemsOf('vmx', 'there', 'riscv64')).toEqual(['ARCH_UNSUPPORTED']);
  });
});
