import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { GUEST_SCRIPT, STOP_SCRIPT } from '../../../src/backends/krun/guest-script.ts';
import { runOrThrow } from '../../../src/core/index.ts';

test('the process that the guest script writes down is the one that the stop script asks to end', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'terok-guest-'));
  try {
    const here = (script: string): string => script.replaceAll('/run/', `${dir}/`);
    const writes = here(GUEST_SCRIPT.split('\n').find((line) => line.includes('$$ >/run/')) ?? 'exit 9');
    const { stdout } = await runOrThrow(['bash', '-c', `trap 'echo asked' TERM\n${writes}\nsh -c "$1"`, 'bash', here(STOP_SCRIPT)]);
    expect(stdout.toString()).toBe('asked\n');
  } finally {
    await rm(dir, { recursive: true });
  }
});
