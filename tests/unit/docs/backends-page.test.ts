import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { createFakeBackend } from '../../../src/backends/fake/index.ts';
import { createKrunBackend } from '../../../src/backends/krun/index.ts';
import { describeMachines } from '../../../src/backends/krun/machine-notes.ts';
import type { PodmanHost } from '../../../src/backends/oci/index.ts';
import { createPodmanBackend } from '../../../src/backends/podman/index.ts';
import { type BottleBackend, resolvePaths } from '../../../src/core/index.ts';
import { CASES } from '../../conformance/cases/index.ts';
import { notInContract } from '../../conformance/cases/not-in-contract.ts';
import type { ConformanceCase } from '../../conformance/support/case.ts';

const paths = resolvePaths({ TEROK_STATE_DIR: '/nowhere' }, '/nowhere', 0);
const BACKENDS: readonly BottleBackend[] = [
  createPodmanBackend({ paths, env: {} }),
  createKrunBackend({ paths, env: {} }),
  createFakeBackend({ paths }),
];

/** Backend → case → what came of it in the run that was kept last, see `scripts/keep-conformance.mjs`. */
const RESULTS = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../../docs/conformance.json'), 'utf8')) as Readonly<
  Record<string, Readonly<Record<string, 'passed' | 'failed' | 'skipped'>>>
>;

/** One sentence for each capability, as a user would ask for it. */
const CAPABILITIES: Readonly<Record<keyof BottleBackend['capabilities'], string>> = {
  isolation: 'What stands between the bottle and the host',
  ownKernel: 'A kernel of its own: a kernel bug of the host is out of reach',
  network: 'What the bottle can reach: `sealed` is the gateway and nothing else',
  execWithoutSsh: 'Commands run even in an image without OpenSSH',
  terminal: 'Commands can have a terminal',
  copySymlinks: 'Symbolic links are copied into the bottle as links',
  persistentFiles: 'Files survive stop and start',
  rootUser: 'Commands can run as root of the bottle',
  pausable: 'Can be paused, with all its processes, and go on where it was',
  enforcesLimits: 'Memory, processor, process and file limits hold',
};

/** What a user of `krun` meets otherwise than with `podman`. */
const DIFFERENCES: readonly string[] = [
  'A machine has its memory from the start and keeps it; 256 MiB more are for its monitor. It has at least 160 MiB and at most 16 processors, whole ones; a fraction is a share of their time.',
  'The limits of processes and open files hold inside the machine; its monitor on the host has its own.',
  'Commands go through SSH alone: an image without OpenSSH is refused at launch.',
  'Root of the bottle is root of its own kernel: it may mount, load settings and open raw sockets there. None of that reaches the host.',
  'Sending UDP to where nothing is allowed succeeds and goes nowhere; in a container it is an error.',
  'A stop is asked for inside the machine; its monitor ignores the signal that ends a container.',
];

/** What makes a bottle weaker, by the code of the finding with which `terok doctor` says so where it is so. */
const WEAKNESSES: Readonly<Record<string, string>> = {
  GUEST_USERS_UNSEEN:
    'The host cannot tell the users of a machine apart. What only the init of a bottle may do, it proves with a word that root of the bottle can read.',
  MONITOR_UNLIMITED: 'Without the controllers of cgroup v2 the limits hold inside the machine and not for its monitor.',
  ROOTFUL: 'With rootful Podman a guest that breaks into its monitor is root of the host with almost all rights taken away.',
};

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function render(): string {
  const names = BACKENDS.map(({ name }) => name);
  const capabilities = Object.entries(CAPABILITIES).map(([key, text]) => [
    text,
    ...BACKENDS.map((backend) => word(backend.capabilities[key as keyof typeof CAPABILITIES])),
  ]);
  const cases = CASES.map((one) => [one.id, one.title, ...BACKENDS.map((backend) => outcome(one, backend))]);
  const open = notInContract.map(({ id, title, reason }) => [id, title, reason]);
  return `# Backends

Generated from the capabilities that each backend declares and from results of the conformance suite, by \`vitest run --project unit tests/unit/docs --update\`.
\`fake\` runs commands on the host without any wall: it serves tests and cannot be chosen by a user.

## What each can do

${table(['capability', ...names], capabilities)}

## How a machine differs from a container

${DIFFERENCES.map((text) => `- ${text}`).join('\n')}

These weaken it; \`terok doctor\` says each where it is so:

${Object.values(WEAKNESSES)
  .map((text) => `- ${text}`)
  .join('\n')}

## What each is held to

"yes" is a test of \`tests/conformance\` that passed in the run whose results are kept in \`docs/conformance.json\`, "**no**" one that did
not; a sentence is the printed reason why it is not run. \`krun\`, which is experimental, runs in the lab.

${table(['case', 'behaviour', ...names], cases)}

## Not in the contract yet

${table(['case', 'behaviour', 'why'], open)}
`;
}

function outcome({ id, unless }: ConformanceCase, backend: BottleBackend): string {
  const reason = unless?.(backend);
  if (reason !== undefined) return reason;
  const result = RESULTS[backend.name]?.[id];
  if (result === undefined || result === 'skipped') return 'not run';
  return result === 'passed' ? 'yes' : '**no**';
}

function word(value: string | boolean): string {
  if (typeof value === 'string') return `\`${value}\``;
  return value ? 'yes' : 'no';
}

it('docs/backends.md says what the backends declare and what came of the suite', async () => {
  await expect(render()).toMatchFileSnapshot('../../../docs/backends.md');
});

it('terok doctor knows every weakness of a machine, and no other', () => {
  const weak = { facts: { rootless: false, cgroupVersion: 'v2', controllers: [] } } as unknown as PodmanHost;
  const notes = describeMachines(weak);
  expect(notes.map(({ code }) => code).toSorted()).toEqual(Object.keys(WEAKNESSES));
});

it('every case that podman is held to has passed', () => {
  const [podman] = BACKENDS;
  const required = CASES.filter((one) => podman !== undefined && one.unless?.(podman) === undefined);
  expect(required.filter(({ id }) => RESULTS['podman']?.[id] !== 'passed').map(({ id }) => id)).toEqual([]);
});
