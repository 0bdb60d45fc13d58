import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKrun, LIBKRUN, libraryProblem } from '../../../src/backends/krun/find-krun.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tk-krun-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function codesOf(says: string, mode = 0o755): Promise<string[]> {
  const file = path.join(dir, 'krun');
  await writeFile(file, `#!/bin/sh\ncat <<'END'\n${says}\nEND\n`);
  await chmod(file, mode);
  const found = await findKrun([path.join(dir, 'absent'), file]);
  return 'findings' in found ? found.findings.map(({ code }) => code) : [];
}

describe('the runtime of machines', () => {
  it('is missing where none of the known places has it, whatever PATH says', async () => {
    expect(await findKrun([path.join(dir, 'krun')])).toMatchObject({ findings: [{ code: 'KRUN_MISSING' }] });
  });

  it('must have been built with libkrun', async () => {
    expect(await codesOf('crun version 1.28\n+SYSTEMD +SELINUX')).toContain('KRUN_WITHOUT_LIBKRUN');
    expect(await codesOf('crun version 1.28\n+SYSTEMD +LIBKRUN')).not.toContain('KRUN_WITHOUT_LIBKRUN');
  });

  it('must read the size of a machine from annotations', async () => {
    expect(await codesOf('crun version 1.21\n+LIBKRUN')).toContain('KRUN_TOO_OLD');
    expect(await codesOf('crun version 1.27.1\n+LIBKRUN')).not.toContain('KRUN_TOO_OLD');
  });

  it('must not be writable by others', async () => {
    expect(await codesOf('crun version 1.28\n+LIBKRUN', 0o777)).toContain('KRUN_WRITABLE');
    if (process.getuid?.() === 0) expect(await codesOf('crun version 1.28\n+LIBKRUN')).not.toContain('KRUN_WRITABLE');
  });

  it('must be executable', async () => {
    expect(await codesOf('crun version 1.28\n+LIBKRUN', 0o644)).toEqual(['KRUN_NOT_EXECUTABLE']);
  });

  it('must open a libkrun that loses nothing and damages nothing, and says so', () => {
    expect(libraryProblem(LIBKRUN, undefined)).toMatchObject({ code: 'LIBKRUN_MISSING' });
    expect(libraryProblem(LIBKRUN, '1.18.0')).toMatchObject({
      code: 'LIBKRUN_TOO_OLD',
      message: expect.stringMatching(/^libkrun 1\.18\.0 is older than 1\.18\.1: earlier ones lose/),
    });
    expect(libraryProblem(LIBKRUN, '1.18.1')).toBeUndefined();
  });
});
