import { access, constants, readFile } from 'node:fs/promises';
import { type ProbeFinding, systemCodeOf } from '../../core/index.ts';

export interface KvmFiles {
  readonly device: string;
  readonly cpuInfo: string;
}

export const KVM_FILES: KvmFiles = { device: '/dev/kvm', cpuInfo: '/proc/cpuinfo' };

/**
 * Why no machine can run here, as far as that shows without starting one. A device that opens proves nothing: some hosts offer one
 * whose guests hang, and there the processor lacks the flag.
 */
export async function findKvmProblems(files: KvmFiles = KVM_FILES, arch: string = process.arch): Promise<readonly ProbeFinding[]> {
  if (arch !== 'x64' && arch !== 'arm64')
    return [
      { code: 'ARCH_UNSUPPORTED', message: `libkrun runs on x64 and arm64; this machine is ${arch}.`, fix: 'Use the backend `podman`.' },
    ];
  const problems = await Promise.all([deviceProblem(files.device), arch === 'x64' ? flagProblem(files.cpuInfo) : undefined]);
  return problems.filter((problem) => problem !== undefined);
}

async function deviceProblem(device: string): Promise<ProbeFinding | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT')
      return {
        code: 'KVM_MISSING',
        message: `\`${device}\` does not exist: the kernel offers no hardware virtualisation.`,
        fix: 'Turn virtualisation on in the firmware, or nested virtualisation on in the hypervisor, and load `kvm_intel` or `kvm_amd`.',
      };
    if (code === 'EACCES' || code === 'EPERM')
      return {
        code: 'KVM_PERMISSION',
        message: `You may not open \`${device}\`.`,
        fix: 'Join its group: `sudo usermod -aG kvm $USER`, then log in again.',
      };
    throw error;
  }
}

async function flagProblem(cpuInfo: string): Promise<ProbeFinding | undefined> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile(cpuInfo, 'utf8'))?.[1]?.split(' ') ?? [];
  if (flags.includes('vmx') || flags.includes('svm')) return undefined;
  return {
    code: 'KVM_USELESS',
    message: 'The processor shows neither `vmx` nor `svm`; guests of such a `/dev/kvm` hang.',
    fix: 'Turn virtualisation on in the firmware, or nested virtualisation on in the hypervisor; until then use the backend `podman`.',
  };
}
