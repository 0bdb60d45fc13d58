import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { bottleDirs, resolvePaths } from '../../src/core/index.ts';
import { canaryMarkFile } from '../../src/sidecars/gateway/canary-file.ts';
import { openSealedNetwork, recordCanaryPaused, resumeNetwork, sealedNetworkStatus } from '../../src/sidecars/gateway/index.ts';
import { canaryNotes } from '../../src/tasks/data-loss.ts';
import { eventually, makeTestNetwork, removeTestNetworks, whyNoNamespaces } from './sealed-network-harness.ts';

const MARK = '{"at":"2026-01-01T00:00:00.000Z","host":"evil.example"}\n';
const PAUSE = fileURLToPath(new URL('../../src/tasks/pause-main.ts', import.meta.url));

afterEach(removeTestNetworks);

test('a gateway that was killed between the mark and the pause asks for the pause when it runs again, once it is done no more', async ({
  skip,
}) => {
  const reason = whyNoNamespaces();
  if (reason !== undefined) skip(reason);
  const dir = mkdtempSync(path.join(tmpdir(), 'terok-pause-'));
  try {
    const asked = path.join(dir, 'asked');
    const [main, canaryFile] = [path.join(dir, 'main.mjs'), path.join(dir, 'canary')];
    writeFileSync(main, "import { appendFileSync } from 'node:fs'; appendFileSync(process.argv[2], 'x');");
    writeFileSync(canaryFile, 'abcdefghijklmnopqrstuvwxyz');
    const network = await makeTestNetwork([], { canaryFile, onCanary: { main, argument: asked } });
    await (await openSealedNetwork(network.plan)).ready;
    const times = (): number => (existsSync(asked) ? readFileSync(asked, 'utf8').length : 0);
    const servingPid = async (): Promise<number | undefined> => (await sealedNetworkStatus(network.plan)).detail?.pid;
    const killGateway = async (): Promise<void> => {
      const before = await eventually('a gateway serves', servingPid, 15_000);
      process.kill(before, 'SIGKILL');
      await eventually('another gateway serves', async () => ![undefined, before].includes(await servingPid()), 15_000);
    };
    await killGateway();
    writeFileSync(canaryMarkFile(network.plan.stateDir), MARK);
    expect(times()).toBe(0);
    await killGateway();
    await eventually('the pause is asked for', () => times() === 1, 15_000);
    await recordCanaryPaused(network.plan);
    await killGateway();
    await killGateway();
    expect(times()).toBe(1);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a pause that fails is tried again and said, until a person lets the bottle go on', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'terok-pause-'));
  const paths = resolvePaths({
    ...process.env,
    ...Object.fromEntries(['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME'].map((name) => [`TEROK_${name}_DIR`, path.join(dir, name)])),
  });
  const dirs = bottleDirs(paths, 'gone');
  mkdirSync(dirs.stateDir, { recursive: true, mode: 0o700 });
  const mark = canaryMarkFile(dirs.stateDir);
  writeFileSync(mark, MARK);
  expect(await canaryNotes(dirs, 'gone')).toHaveLength(1);
  const program = spawn(process.execPath, [PAUSE, JSON.stringify({ paths, slug: 'gone' })], { stdio: 'inherit' });
  const ended = new Promise((resolve) => program.once('exit', resolve));
  try {
    const notes = await eventually('the problem is said', async () => (await canaryNotes(dirs, 'gone')).at(1), 15_000);
    expect(notes).toContain('could not be paused');
    expect(notes).toContain('The task `gone` has no bottle any more');
    expect(program.exitCode).toBeNull();
    await resumeNetwork(dirs);
    expect(await canaryNotes(dirs, 'gone')).toEqual([]);
    // nothing to pause any more: the next try is the last one
    expect(await ended).toBe(0);
  } finally {
    program.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
});
