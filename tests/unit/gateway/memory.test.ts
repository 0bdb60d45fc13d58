import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { GATEWAY_FLAGS } from '../../../src/sidecars/gateway/keeper.ts';

/** Runs a script as a gateway runs, and gives what it prints. */
function inGateway(script: string): string {
  return execFileSync(process.execPath, [...GATEWAY_FLAGS, '--input-type=module', '-e', script], { encoding: 'utf8' }).trim();
}

const loaded = (statement: string): string =>
  inGateway(`${statement}; console.log(process.moduleLoadList.some((name) => name.endsWith('/undici')))`);

test('a gateway does not load what only fetch needs', () => {
  const modules = ['egress/index.ts', 'gateway/create-gateway.ts', 'git-gate/index.ts'].map((file) => path.resolve('src/sidecars', file));
  expect(loaded(`await Promise.all(${JSON.stringify(modules)}.map((file) => import(file)))`)).toBe('false');
  expect(loaded("await import('node:http')")).toBe('true');
});

test('an idle gateway gives back memory, and runs on, where Node can call the C library', () => {
  const file = JSON.stringify(path.resolve('src/sidecars/gateway/release-memory.ts'));
  const script = `
    const { readFileSync } = await import('node:fs');
    const { loadReleaseMemory } = await import(${file});
    const mappedKiB = () => Number(/^RssFile:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
    const release = loadReleaseMemory();
    const before = mappedKiB();
    release?.();
    console.log(JSON.stringify({ canRelease: release !== undefined, isLess: mappedKiB() < before }));`;
  const canCall = process.getBuiltinModule('node:ffi') !== undefined && process.platform === 'linux';
  expect(JSON.parse(inGateway(script))).toEqual({ canRelease: canCall, isLess: canCall });
});

test.each([
  ['is idle', ''],
  [
    'is never quite idle',
    'setInterval(() => { const end = process.cpuUsage().user + 5_000; while (process.cpuUsage().user < end); }, 50);',
  ],
])('a gateway that %s gives back what is freed some time after the traffic', (_, noise) => {
  const file = JSON.stringify(path.resolve('src/sidecars/gateway/collect-when-idle.ts'));
  const script = `
    const { setTimeout: sleep } = await import('node:timers/promises');
    const { collectWhenIdle } = await import(${file});
    const usedMiB = () => { const { heapUsed, external } = process.memoryUsage(); return (heapUsed + external) / 2 ** 20; };
    collectWhenIdle(120);
    ${noise}
    let held = Array.from({ length: 400_000 }, (_, index) => ({ index }));
    await sleep(600);
    const full = usedMiB();
    held = undefined;
    for (let waited = 0; usedMiB() > full - 10 && waited < 8_000; waited += 50) await sleep(50);
    console.log(usedMiB() < full - 10);
    process.exit();`;
  expect(inGateway(script)).toBe('true');
});
