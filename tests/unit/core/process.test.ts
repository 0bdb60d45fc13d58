import { describe, expect, it, test } from 'vitest';
import { helperEnvironment, hostGitEnvironment, run, runOrThrow } from '../../../src/core/index.ts';

describe('run', () => {
  it('gives exit code, signal and output as they are', async () => {
    const result = await run(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' });
    expect({ ...result, stdout: String(result.stdout), stderr: String(result.stderr) }).toEqual({
      exitCode: 3,
      signal: undefined,
      stdout: 'hello',
      stderr: 'oops\n',
      timedOut: false,
    });
    expect((await run(['sh', '-c', 'kill -TERM $$'])).signal).toBe('SIGTERM');
  });

  it('judges a program that does not read its input by its exit code', async () => {
    expect((await run(['true'], { input: Buffer.alloc(4_000_000) })).exitCode).toBe(0);
  });

  it('names a program that is missing', async () => {
    await expect(run(['terok-no-such-program'])).rejects.toMatchObject({ code: 'DEPENDENCY_MISSING' });
  });

  it('kills what prints more than allowed', async () => {
    await expect(run(['cat', '/dev/zero'], { maxOutputBytes: 10_000 })).rejects.toMatchObject({ code: 'RUNTIME_FAILED' });
  });

  it.each([
    ['the program itself', 'sleep 20'],
    ['a child of it that holds the pipes', 'sleep 20 & sleep 20'],
    ['a process that left the group', 'setsid sleep 20 & sleep 20'],
    ['a process that left the group of a program that has ended', 'setsid sleep 3 & true'],
  ])('bounds the time of %s', async (_name, script) => {
    const began = performance.now();
    expect((await run(['sh', '-c', script], { timeoutMs: 100 })).timedOut).toBe(true);
    expect(performance.now() - began).toBeLessThan(2_500);
  });

  it('ends with the abortion of its signal', async () => {
    await expect(run(['sleep', '20'], { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  });

  it('shows a program nothing of the environment but what is named', async () => {
    const { stdout } = await runOrThrow(['env'], { env: { PATH: process.env.PATH, TOKEN: 'x' } });
    expect(
      String(stdout)
        .split('\n')
        .filter((line) => /^(?!PWD|SHLVL|_=)\w+=/.test(line))
        .toSorted(),
    ).toEqual([`PATH=${process.env.PATH}`, 'TOKEN=x']);
  });
});

test.each([helperEnvironment, hostGitEnvironment])(
  'no program of the host is looked for in the directory that terok is used in (%o)',
  (environment) => {
    expect(environment({}, { PATH: '.:node_modules/.bin::/usr/bin:../x:/bin:' })['PATH']).toBe('/usr/bin:/bin');
    expect(environment({}, {})['PATH']).toMatch(/^\//);
  },
);
