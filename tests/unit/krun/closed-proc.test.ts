import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { closedProcDifferences, writeHooks } from '../../../src/backends/krun/closed-proc.ts';

const ROOT = '500 400 0:70 / / rw,relatime - overlay overlay rw';
const LOWER = '501 500 0:71 / /proc rw,nosuid,nodev,noexec - proc proc rw';
const CLOSED = '502 501 0:72 / /proc ro,nosuid,nodev,noexec - tmpfs none rw,size=64k';
const SERVER = '503 502 0:71 /1/fd /proc/self/fd rw,nosuid,nodev,noexec - proc proc rw';
/** Where crun masks before it runs the hook, the masks lie below what closes it. */
const MASK = '504 501 0:5 /null /proc/kcore rw - devtmpfs udev rw';

const differences = (...lines: readonly string[]): string[] => closedProcDifferences(`${lines.join('\n')}\n`);

describe('the mount table of a monitor', () => {
  it('may have the descriptors of its file server in a closed `/proc`, and what that covers', () => {
    expect(differences(ROOT, LOWER, CLOSED, SERVER)).toEqual([]);
    expect(differences(ROOT, LOWER, MASK, CLOSED, SERVER)).toEqual([]);
  });

  it('names every way in which the monitor could reach a `/proc`', () => {
    const open = ['the `/proc` of the monitor is not closed'];
    expect(differences(ROOT)).toEqual(open);
    expect(differences(ROOT, LOWER)).toEqual(open);
    expect(differences(ROOT, LOWER, CLOSED.replace('ro,', 'rw,'), SERVER)).toEqual(open);
    expect(differences(ROOT, LOWER, CLOSED.replace('tmpfs', 'proc'), SERVER)).toEqual(open);
    const elsewhere = '505 500 0:71 / /mnt rw - proc proc rw';
    expect(differences(ROOT, LOWER, CLOSED, SERVER, elsewhere)).toEqual(['the monitor reaches a `/proc` at `/mnt`']);
    const above = '506 502 0:71 / /proc/self rw - proc proc rw';
    expect(differences(ROOT, LOWER, CLOSED, SERVER, above)).toEqual(['the monitor reaches a `/proc` at `/proc/self`']);
    const uncovered = CLOSED.replace('502 501', '502 500');
    expect(differences(ROOT, LOWER, uncovered, SERVER)).not.toEqual([]);
  });
});

it('Podman is given one hook, for every machine, before its monitor starts', async () => {
  const dir = await mkdtemp('/tmp/tk-hooks-');
  try {
    const hooks = await writeHooks(dir);
    expect(await readdir(hooks)).toEqual(['close-proc.json']);
    const { when, stages } = JSON.parse(await readFile(path.join(hooks, 'close-proc.json'), 'utf8'));
    expect({ when, stages }).toEqual({ when: { always: true }, stages: ['createContainer'] });
  } finally {
    await rm(dir, { recursive: true });
  }
});
