import path from 'node:path';
import { ownFile, patient, run, TerokError } from '../../core/index.ts';
import type { RedBench } from './bench.ts';
import type { RedBottle } from './bottle.ts';

/** The programs of the attacks, as sources or built */
const PROGRAMS = ownFile({ source: 'redteam/programs', built: 'attacks' });
const EXTENSION = PROGRAMS.endsWith('attacks') ? '.mjs' : '.ts';
/** Where a bottle gets the programs, and a Node to run them */
const INSIDE = { node: '/tmp/terok-attacks-node', programs: '/tmp/terok-attacks' } as const;

/**
 * Runs the attack programs of `src/redteam/programs`: the same program, with the same input and the same Node, in a bottle or on this
 * machine outside of it. Input and output are JSON.
 */
export class Programs {
  readonly #bench: RedBench;
  readonly #armed = new Map<string, Promise<void>>();

  constructor(bench: RedBench) {
    this.#bench = bench;
  }

  async inside<T>(bottle: RedBottle, name: string, input: unknown): Promise<T> {
    return await this.insideWith([], bottle, name, input);
  }

  /** As `inside`, with a program before it, for example `env -i` */
  async insideWith<T>(launcher: readonly string[], bottle: RedBottle, name: string, input: unknown): Promise<T> {
    const armed = this.#armed.get(bottle.slug) ?? arm(bottle);
    this.#armed.set(bottle.slug, armed);
    await armed;
    const argv = [...launcher, INSIDE.node, `${INSIDE.programs}/${name}${EXTENSION}`];
    const { code, stdout, stderr } = await bottle.run(argv, { input: JSON.stringify(input), env: QUIET, timeoutMs: patient(60_000) });
    return parse(name, 'in the bottle', { code, stdout, stderr });
  }

  /** The control: where no seal is. Trusts the targets as the bottle trusts its gateway. */
  async outside<T>(name: string, input: unknown, launcher: readonly string[] = []): Promise<T> {
    const { exitCode, stdout, stderr } = await run([...launcher, process.execPath, path.join(PROGRAMS, `${name}${EXTENSION}`)], {
      input: JSON.stringify(input),
      env: { ...QUIET, PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: this.#bench.targetCa.certificateFile },
      timeoutMs: patient(60_000),
      signal: this.#bench.signal,
    });
    return parse(name, 'outside of it', { code: exitCode ?? -1, stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') });
  }

  /** The control of attacks on the seal; undefined where this user cannot make a network namespace. */
  async inEmptyNetwork<T>(name: string, input: unknown): Promise<T | undefined> {
    const { exitCode } = await run([...EMPTY_NETWORK, 'true']);
    return exitCode === 0 ? await this.outside(name, input, EMPTY_NETWORK) : undefined;
  }
}

/** As root or not, a network namespace that is empty but for its loopback */
const EMPTY_NETWORK = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']), '--net', '--'] as const;

const QUIET = { NODE_NO_WARNINGS: '1' } as const;

/** The Node of this machine runs in a bottle as it is; an image need not have one. */
async function arm(bottle: RedBottle): Promise<void> {
  await Promise.all([bottle.copyIn(process.execPath, INSIDE.node), bottle.copyIn(PROGRAMS, INSIDE.programs)]);
  const { code, stderr } = await bottle.run([INSIDE.node, '--version']);
  if (code !== 0)
    throw new TerokError('RUNTIME_FAILED', `The Node of this machine (${process.execPath}) does not run in the bottle: ${stderr.trim()}`, {
      hint: 'Run terok with a Node from nodejs.org or from the npm package `node`.',
    });
}

function parse<T>(name: string, where: string, result: { readonly code: number; readonly stdout: string; readonly stderr: string }): T {
  try {
    return JSON.parse(result.stdout) as T;
  } catch (error) {
    throw new TerokError(
      'RUNTIME_FAILED',
      `The program \`${name}\` ended ${where} with ${result.code} and printed no JSON: ${result.stderr.slice(0, 500)}`,
      {
        cause: error,
      },
    );
  }
}
