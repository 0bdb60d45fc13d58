import { defineConfig } from 'vitest/config';

/** For tests that make bottles; files of these projects run one after the other. */
const slow = {
  testTimeout: 120_000,
  hookTimeout: 300_000,
  fileParallelism: false,
  globalSetup: 'tests/support/global-setup.ts',
} as const;

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'conformance', include: ['tests/conformance/**/*.test.ts'], ...slow } },
      { test: { name: 'integration', include: ['tests/integration/**/*.test.ts', 'tests/redteam/**/*.test.ts'], ...slow } },
      { test: { name: 'e2e', include: ['tests/e2e/**/*.test.ts'], ...slow, testTimeout: 300_000 } },
    ],
  },
});
