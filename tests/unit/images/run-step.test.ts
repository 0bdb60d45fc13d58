import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runStep } from '../../../src/images/run-step.ts';

const TIME = { timeoutMs: 20_000 };

describe('a step of a build', () => {
  it('gives each line of both streams, and takes input', async () => {
    const lines: string[] = [];
    await runStep(['sh', '-c', 'cat; echo err >&2; printf last'], { ...TIME, input: 'in\n', onLine: (line) => lines.push(line) });
    expect(lines.toSorted()).toEqual(['err', 'in', 'last']);
  });

  it('writes standard output into a new file, and refuses one that exists', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'tk-step-'));
    try {
      const stdoutFile = path.join(dir, 'out');
      await runStep(['sh', '-c', 'printf whole'], { ...TIME, stdoutFile });
      expect(await readFile(stdoutFile, 'utf8')).toBe('whole');
      await expect(runStep(['sh', '-c', 'printf again'], { ...TIME, stdoutFile })).rejects.toThrow('EEXIST');
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('fails with the last lines, a missing program by its name', async () => {
    await expect(runStep(['sh', '-c', 'echo why >&2; exit 3'], TIME)).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: '`sh` ended with 3: why',
    });
    await expect(runStep(['no-such-program-here'], TIME)).rejects.toMatchObject({ code: 'DEPENDENCY_MISSING' });
  });

  it('ends with its whole group when it is cancelled or out of time', async () => {
    const begin = Date.now();
    await expect(runStep(['sh', '-c', 'sleep 30 & sleep 30'], { timeoutMs: 300 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    const signal = AbortSignal.timeout(300);
    await expect(runStep(['sh', '-c', 'sleep 30 & sleep 30'], { ...TIME, signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(Date.now() - begin).toBeLessThan(15_000);
  });
});
