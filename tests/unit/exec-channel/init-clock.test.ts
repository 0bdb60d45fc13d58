import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { INIT_SCRIPT } from '../../../src/exec-channel/init-script.ts';

const run = promisify(execFile);

/** The part of the init that talks about the time, with a `set_clock` that notes what it would work out. */
const [, talk] = /\nset_clock\(\) \{\n[\s\S]*?\n\}\n([\s\S]*?)\ndial\(\)/.exec(INIT_SCRIPT) ?? [];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tk-clock-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** What the clock would be set to after this was said to the init; the reply ends with the end of what was said. */
async function heard(said: string, ownClock = 'yes'): Promise<string> {
  const script = `own_clock=${ownClock}; ask_time() { :; }; set_clock() { (($1 > 0)); echo "set $1"; }
${talk}
exec 3<"$1"; await_word 3 || true`;
  const file = path.join(dir, 'said');
  await run('bash', ['-c', 'printf %s "$1" >"$2"', 'bash', said, file]);
  return (await run('bash', ['-c', script, 'bash', file])).stdout;
}

describe('the time that an init hears', () => {
  it('is taken as microseconds', async () => {
    expect(await heard('t1790000000000000\n')).toBe('set 1790000000000000\n');
  });

  it('is never an expression: one would run commands', async () => {
    const mark = path.join(dir, 'ran');
    const expression = `x[$(touch ${mark})]`;
    await run('bash', ['-c', '(($1 > 0)) || true', 'bash', expression]);
    expect(existsSync(mark), 'bash runs what stands in an expression').toBe(true);
    await rm(mark);
    for (const said of [`t${expression}\n`, `t1790000000000000+${expression}\n`, 't01790000000000000\n', 't-1\n', 't\n'])
      expect(await heard(said), said).toBe('');
    expect(existsSync(mark)).toBe(false);
  });

  it('is nothing to an init that has no clock of its own', async () => {
    expect(await heard('t1790000000000000\n', "''")).toBe('');
  });
});
