import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitsNotInForce } from '../../../src/backends/oci/limits-in-force.ts';

const LIMITS = { memoryMiB: 64, cpus: 1.5, pids: 50, files: 1024 };
const HELD = { 'memory.max': `${64 * 1024 * 1024}\n`, 'cpu.max': '150000 100000\n', 'pids.max': '50\n' };
const OPEN = { 'memory.max': 'max\n', 'cpu.max': 'max 100000\n', 'pids.max': 'max\n' };

describe('limits that the kernel holds', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp('/tmp/tk-groups-');
  });
  afterEach(() => rm(root, { recursive: true }));
  const group = async (name: string, files: Readonly<Record<string, string>>): Promise<void> => {
    await mkdir(path.join(root, name), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(path.join(root, name, file), text);
  };

  it('are those of the group itself or of one above it', async () => {
    await group('a', HELD);
    await group('a/b', OPEN);
    expect(await limitsNotInForce('/a', LIMITS, root)).toEqual([]);
    expect(await limitsNotInForce('/a/b', LIMITS, root)).toEqual([]);
  });

  it('are not those that no group has, or a group has with more', async () => {
    await group('a', OPEN);
    expect(await limitsNotInForce('/a', LIMITS, root)).toEqual(['memory', 'cpus', 'pids']);
    await group('a/b', { ...HELD, 'cpu.max': '200000 100000\n' });
    expect(await limitsNotInForce('/a/b', LIMITS, root)).toEqual(['cpus']);
    await group('a/c', { ...HELD, 'pids.max': '51\n' });
    expect(await limitsNotInForce('/a/c', LIMITS, root)).toEqual(['pids']);
  });

  it('are none where nothing can be read, and in the group that holds all others', async () => {
    await group('empty', { ...HELD, 'pids.max': '' });
    expect(await limitsNotInForce('/empty', LIMITS, root)).toEqual(['pids']);
    await group('.', HELD);
    expect(await limitsNotInForce('/gone', LIMITS, root)).toEqual(['memory', 'cpus', 'pids']);
    expect(await limitsNotInForce('/', LIMITS, root)).toEqual(['memory', 'cpus', 'pids']);
  });
});
