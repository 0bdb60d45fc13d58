import { defineConfig } from 'vitest/config';

/** For tests that make bottles; files run one after the other, because some of them measure or watch the whole machine. */
const slow = {
  testTimeout: 120_000,
  hookTimeout: 300_000,
  fileParallelism: false,
  globalSetup: 'tests/support/global-setup.ts',
} as const;

/** For those that look at nothing but what they made themselves: two files at a time, because most of them wait more than they compute. */
const sideBySide = { ...slow, fileParallelism: true, maxWorkers: 2 } as const;

/** Sidecars without a task around them. */
const SIDECARS = 'tests/integration/{egress,git}-*.test.ts';

export default defineConfig({
  test: {
    // on a busy machine a second, which is the default, is nothing
    expect: { poll: { timeout: 10_000 } },
    projects: [
      project('unit', 0, { include: ['tests/unit/**/*.test.ts'], testTimeout: 30_000 }),
      project('conformance', 1, { include: ['tests/conformance/**/*.test.ts'], ...sideBySide }),
      project('sidecars', 2, { include: [SIDECARS], ...sideBySide }),
      project('redteam', 3, { include: ['tests/redteam/**/*.test.ts'], ...sideBySide }),
      project('integration', 4, { include: ['tests/integration/**/*.test.ts'], exclude: [SIDECARS], ...slow }),
      project('e2e', 5, { include: ['tests/e2e/**/*.test.ts'], ...slow, testTimeout: 300_000 }),
    ],
  },
});

/** Projects run in their order, none beside another. */
function project<T extends object>(
  name: string,
  groupOrder: number,
  options: T,
): { test: T & { name: string; sequence: { groupOrder: number } } } {
  return { test: { ...options, name, sequence: { groupOrder } } };
}
