/**
 * Where the runtime is and what it is.
 *
 * Scope: the program at one of a few places that belong to the system, its version, the libraries that it opens.
 * Fail-safe direction: no configuration and no PATH can name another program, and one that others than root may write is not used.
 */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreCodes, type ProbeFinding, patient, run } from '../../core/index.ts';
import { compareVersions } from '../oci/index.ts';

/** Called by this name, crun makes microVMs. */
export const KRUN_PATHS: readonly string[] = ['/usr/bin/krun', '/usr/local/bin/krun'];
/** From here on crun reads the size of the machine from annotations. */
const CRUN_FLOOR = '1.27.0';
export const LIBKRUN: Library = {
  name: 'libkrun',
  floor: '1.18.1',
  why: 'earlier ones lose packets of connections that a guest sends much on, and damage quotes and line ends in what it is started with',
};
const LIBKRUNFW: Library = { name: 'libkrunfw', floor: '5.0.0', why: 'libkrun opens no other' };

export interface Krun {
  readonly path: string;
  readonly crun: string;
  readonly libkrun: string;
  readonly libkrunfw: string;
}

export type FoundKrun = { readonly krun: Krun } | { readonly findings: readonly [ProbeFinding, ...ProbeFinding[]] };

export async function findKrun(paths: readonly string[] = KRUN_PATHS): Promise<FoundKrun> {
  const found = await firstExisting(paths);
  if (found === undefined) return { findings: [missing(paths)] };
  if (!(await isExecutable(found))) return { findings: [notExecutable(found)] };
  const [version, libkrun, libkrunfw, unsafe] = await Promise.all([
    describeProgram(found),
    libraryVersion('libkrun.so.1'),
    libraryVersion('libkrunfw.so.5'),
    writableByOthers(found),
  ]);
  const problems = [unsafe, programProblem(found, version), libraryProblem(LIBKRUN, libkrun), libraryProblem(LIBKRUNFW, libkrunfw)].filter(
    (problem) => problem !== undefined,
  );
  const [first, ...others] = problems;
  if (first !== undefined) return { findings: [first, ...others] };
  return { krun: { path: found, crun: version.crun ?? '', libkrun: libkrun ?? '', libkrunfw: libkrunfw ?? '' } };
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const candidate of paths)
    if ((await ignoreCodes(['ENOENT', 'ENOTDIR', 'EACCES'], () => stat(candidate)))?.isFile() === true) return candidate;
  return undefined;
}

const INSTALL = 'Install crun with libkrun, for example `dnf install crun-krun` (Fedora).';

function missing(paths: readonly string[]): ProbeFinding {
  return { code: 'KRUN_MISSING', message: `There is no \`krun\` at ${paths.map((each) => `\`${each}\``).join(' or ')}.`, fix: INSTALL };
}

async function isExecutable(file: string): Promise<boolean> {
  return (await ignoreCodes(['EACCES'], async () => (await access(file, constants.X_OK), true))) === true;
}

function notExecutable(file: string): ProbeFinding {
  return { code: 'KRUN_NOT_EXECUTABLE', message: `\`${file}\` may not be executed here.`, fix: `\`chmod 755 ${file}\`, as root.` };
}

async function writableByOthers(file: string): Promise<ProbeFinding | undefined> {
  const target = await realpath(file);
  const { uid, mode } = await stat(target);
  if (uid === 0 && (mode & 0o022) === 0) return undefined;
  return {
    code: 'KRUN_WRITABLE',
    message: `\`${target}\` belongs to or can be written by others than root.`,
    fix: `\`chown root ${target}; chmod go-w ${target}\`, after looking at what it is.`,
  };
}

interface ProgramVersion {
  readonly crun: string | undefined;
  readonly hasLibkrun: boolean;
}

async function describeProgram(file: string): Promise<ProgramVersion> {
  const result = await run([file, '--version'], { timeoutMs: patient(10_000) });
  const text = result.stdout.toString('utf8');
  return { crun: /^crun version (\S+)/m.exec(text)?.[1], hasLibkrun: /\+LIBKRUN\b/.test(text) };
}

function programProblem(file: string, { crun, hasLibkrun }: ProgramVersion): ProbeFinding | undefined {
  if (crun === undefined || !hasLibkrun)
    return {
      code: 'KRUN_WITHOUT_LIBKRUN',
      message: `\`${file}\` is not a crun that was built with libkrun (no \`+LIBKRUN\`).`,
      fix: INSTALL,
    };
  if (compareVersions(crun, CRUN_FLOOR) >= 0) return undefined;
  return {
    code: 'KRUN_TOO_OLD',
    message: `\`${file}\` is crun ${crun}; it gives a machine the memory that was asked for only from ${CRUN_FLOOR} on.`,
    fix: `Update crun to ${CRUN_FLOOR} or newer.`,
  };
}

/** The loader's own answer to a name: the file behind it carries the whole version. */
async function libraryVersion(name: string): Promise<string | undefined> {
  const cache = await run(['/sbin/ldconfig', '-p'], { timeoutMs: patient(10_000) });
  const line = cache.stdout
    .toString('utf8')
    .split('\n')
    .find((candidate) => candidate.trim().startsWith(`${name} `));
  const file = line?.split(' => ')[1];
  // the cache goes on naming a file that was removed
  const target = file === undefined ? undefined : await ignoreCodes(['ENOENT'], () => realpath(file));
  return target === undefined ? undefined : /\.so\.(\d+\.\d+\.\d+)$/.exec(path.basename(target))?.[1];
}

interface Library {
  readonly name: string;
  /** The oldest version that is used */
  readonly floor: string;
  readonly why: string;
}

/** Undefined where the library is there and new enough. */
export function libraryProblem({ name, floor, why }: Library, version: string | undefined): ProbeFinding | undefined {
  const code = name.toUpperCase();
  if (version === undefined)
    return { code: `${code}_MISSING`, message: `\`${name}\` was not found by the loader (\`ldconfig -p\`).`, fix: `Install ${name}.` };
  if (compareVersions(version, floor) >= 0) return undefined;
  return {
    code: `${code}_TOO_OLD`,
    message: `${name} ${version} is older than ${floor}: ${why}.`,
    fix: `Update ${name} to ${floor} or newer.`,
  };
}
