import { expect, it } from 'vitest';
import { createFakeBackend } from '../../../src/backends/fake/index.ts';
import { createKrunBackend } from '../../../src/backends/krun/index.ts';
import { createPodmanBackend } from '../../../src/backends/podman/index.ts';
import { type BottleBackend, resolvePaths } from '../../../src/core/index.ts';
import { CASES } from '../../conformance/cases/index.ts';
import { notInContract } from '../../conformance/cases/not-in-contract.ts';

const paths = resolvePaths({ TEROK_STATE_DIR: '/nowhere' }, '/nowhere', 0);
const BACKENDS: readonly BottleBackend[] = [
  createPodmanBackend({ paths, env: {} }),
  createKrunBackend({ paths, env: {} }),
  createFakeBackend({ paths }),
];

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
  enforcesLimits: 'Memory, processor, process and file limits hold',
};

/** What a user of `krun` meets otherwise than with `podman`; what weakens a bottle is also said by `terok doctor`. */
const DIFFERENCES: readonly string[] = [
  'A machine has its memory from the start and keeps it; 256 MiB more are for its monitor. It has at least 160 MiB and at most 16 processors, whole ones; a fraction is a share of their time.',
  'The limits of processes and open files hold inside the machine; its monitor on the host has its own.',
  'Commands go through SSH alone: an image without OpenSSH is refused at launch.',
  'Root of the bottle is root of its own kernel: it may mount, load settings and open raw sockets there. None of that reaches the host.',
  'The host cannot tell the users of a machine apart. What only the init of a bottle may do, it proves with a word that root of the bottle can read.',
  'Sending UDP to where nothing is allowed succeeds and goes nowhere; in a container it is an error.',
  'A stop is asked for inside the machine; its monitor ignores the signal that ends a container.',
  'Before libkrun 1.18.1, words with quotes or line ends that a container is started with are damaged; terok starts machines with harmless words alone, and `terok doctor` says so.',
];

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function render(): string {
  const names = BACKENDS.map(({ name }) => name);
  const capabilities = Object.entries(CAPABILITIES).map(([key, text]) => [
    text,
    ...BACKENDS.map((backend) => word(backend.capabilities[key as keyof typeof CAPABILITIES])),
  ]);
  const cases = CASES.map((one) => [one.id, one.title, ...BACKENDS.map((backend) => one.unless?.(backend) ?? 'yes')]);
  const open = notInContract.map(({ id, title, reason }) => [id, title, reason]);
  return `# Backends

Generated from the capabilities that each backend declares and from the conformance suite; \`npm run docs\` writes it anew.
\`fake\` runs commands on the host without any wall: it serves tests and cannot be chosen by a user.

## What each can do

${table(['capability', ...names], capabilities)}

## How a machine differs from a container

${DIFFERENCES.map((text) => `- ${text}`).join('\n')}

## What each is held to

"yes" is a test of \`tests/conformance\` that must pass, rootful and rootless; anything else is the printed reason why it is not run.
For \`krun\`, which is experimental, it is what \`npm run lab -- vitest run --project conformance tests/conformance/krun.test.ts\` holds it to.

${table(['case', 'behaviour', ...names], cases)}

## Not in the contract yet

${table(['case', 'behaviour', 'why'], open)}
`;
}

function word(value: string | boolean): string {
  if (typeof value === 'string') return `\`${value}\``;
  return value ? 'yes' : 'no';
}

it('docs/backends.md says what the backends declare and what the suite requires', async () => {
  await expect(render()).toMatchFileSnapshot('../../../docs/backends.md');
});
