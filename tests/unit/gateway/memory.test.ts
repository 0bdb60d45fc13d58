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
  ['is never quite idle', 'setInterval(() => { const end = performance.now() + 10; while (performance.now() < end); }, 100);'],
])('a gateway that %s gives back what is freed some time after the traffic', (_, noise) => {
  const file = JSON.stringify(path.resolve('src/sidecars/gateway/collect-when-idle.ts'));
  // Freed when the first two idle intervals are over; nothing looks meanwhile, because looking is work
  const script = `
    const { setTimeout: sleep } = await import('node:timers/promises');
    const { collectWhenIdle } = await import(${file});
    collectWhenIdle(400);
    ${noise}
    let held = new Array(200_000).fill(0);
    const collected = new Promise((resolve) => { globalThis.registry = new FinalizationRegistry(resolve); });
    globalThis.registry.register(held, true);
    await sleep(400 * 3.5);
    held = undefined;
    console.log(await Promise.race([collected, sleep(8_000, false)]));
    process.exit();`;
  expect(inGateway(script)).toBe('true');
});
