import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KRUN_PATHS } from '../../src/backends/krun/find-krun.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { CliHome } from './cli-process.ts';

const KVM = '/dev/kvm';

/** Read from the machine without terok: the codes that must, and those that must not, be among its reasons. */
function expectedCodes(): Readonly<Record<string, boolean>> {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  return {
    KRUN_MISSING: !KRUN_PATHS.some((file) => existsSync(file)),
    KVM_MISSING: !existsSync(KVM),
    KVM_PERMISSION: existsSync(KVM) && !opens(KVM),
    KVM_USELESS: process.arch === 'x64' && !/\b(vmx|svm)\b/.test(flags),
  };
}

function opens(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

describe('what terok says about machines here', () => {
  let home: CliHome;
  beforeAll(() => {
    home = new CliHome();
  });
  afterAll(() => home.remove());

  it('is what the machine is like, in `backend list` and in `doctor`', async () => {
    const { stdout } = await home.run(['backend', 'list', '--json']);
    const reports = JSON.parse(stdout) as readonly {
      name: string;
      probe: { state: string; findings?: { code: string; message: string }[] };
    }[];
    const probe = reports.find(({ name }) => name === 'krun')?.probe;
    const findings = probe?.findings ?? [];
    const codes = findings.map(({ code }) => code);
    for (const [code, isThere] of Object.entries(expectedCodes())) expect(codes.includes(code), code).toBe(isThere);
    if (Object.values(expectedCodes()).includes(true)) expect(probe?.state).not.toBe('available');
    else expect(['available', 'broken']).toContain(probe?.state);

    const doctor = await home.run(['doctor']);
    for (const { message } of findings) expect(doctor.stdout).toContain(message);
    if (probe?.state === 'available') expect(doctor.stdout).toMatch(/backend krun: .*libkrun/);
  });

  it('keeps a task from starting, with every reason, before anything is made', async ({ skip }) => {
    if (!Object.values(expectedCodes()).includes(true)) skip('nothing speaks against machines here');
    const image = process.env.TEROK_TEST_IMAGE ?? '';
    const { status, stderr } = await home.run(['run', '--image', image, '--', 'true'], { env: { TEROK_BACKEND: 'krun' } });
    expect(status).not.toBe(0);
    expect(stderr).toContain('code: BACKEND_UNAVAILABLE');
    expect(stderr).toContain('The backend `krun` cannot be used here');
    expect((await home.run(['list', '--json'])).stdout.trim()).toBe('[]');
  });
});

describeUnless(process.getuid?.() === 0 ? undefined : 'only root can become another user', 'a user who may not open the device', () => {
  it('is told so, and who may', () => {
    const dir = mkdtempSync('/tmp/tk-kvm-');
    try {
      chmodSync(dir, 0o755);
      const [device, cpuInfo] = [path.join(dir, 'kvm'), path.join(dir, 'cpuinfo')];
      writeFileSync(device, '', { mode: 0o600 });
      writeFileSync(cpuInfo, 'flags : svm\n');
      const module = pathToFileURL(path.join(import.meta.dirname, '../../src/backends/krun/kvm.ts')).href;
      const program = `import { findKvmProblems } from ${JSON.stringify(module)};
        console.log(JSON.stringify(await findKvmProblems(${JSON.stringify({ device, cpuInfo })}, 'x64')));`;
      const argv = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '--input-type=module', '--eval', program];
      const { stdout, stderr } = spawnSync('setpriv', argv, { encoding: 'utf8', cwd: '/' });
      expect({ found: stdout === '' ? stderr : JSON.parse(stdout) }).toMatchObject({
        found: [{ code: 'KVM_PERMISSION', fix: expect.stringContaining('usermod -aG kvm') }],
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
