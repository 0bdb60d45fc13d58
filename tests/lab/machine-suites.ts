export interface MachineSuite {
  readonly name: string;
  /** Arguments of vitest */
  readonly tests: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const conformance = (name: string, half: string, shard: string): MachineSuite => ({
  name: `krun conformance, ${name}`,
  tests: ['--project', 'conformance', 'tests/conformance/krun.test.ts'],
  env: { TEROK_CONFORMANCE_HALF: half, TEROK_CONFORMANCE_SHARD: shard },
});

/** The agent whose task runs in a machine. */
export const AGENT = 'codex';

/** The longest first. */
const SUITES: readonly MachineSuite[] = [
  conformance('own machines, first half', 'own', '1/2'),
  conformance('own machines, second half', 'own', '2/2'),
  conformance('one machine, first half', 'shared', '1/2'),
  conformance('one machine, second half', 'shared', '2/2'),
  {
    name: `krun agent task, ${AGENT}`,
    tests: ['--project', 'e2e', 'tests/e2e/agents.test.ts'],
    env: { TEROK_BACKEND: 'krun', TEROK_TEST_AGENT: AGENT },
  },
  { name: 'krun red team', tests: ['--project', 'redteam', 'tests/redteam/sealed-machine.test.ts'] },
];

/** Run by name alone: `npm test` has no time left for them. */
const ON_DEMAND: readonly MachineSuite[] = [
  {
    name: 'rootless Podman',
    tests: ['--project', 'integration', 'tests/integration/podman-rootless.test.ts', 'tests/integration/podman-rootless-groups.test.ts'],
  },
];

/** Those of `npm test`, or those whose names have one of these words. */
export function machineSuites(words: readonly string[] | undefined): readonly MachineSuite[] {
  return words === undefined ? SUITES : [...SUITES, ...ON_DEMAND].filter(({ name }) => words.some((word) => name.includes(word)));
}
