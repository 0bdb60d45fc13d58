import { access, constants, stat } from 'node:fs/promises';
import { ignoreCodes, isTerokError, type ProbeReport, run, type TerokPaths } from '../core/index.ts';
import type { BackendReport, DoctorFinding } from './api.ts';

/** Oldest git without the clone and submodule flaws of July 2025; distributions also patch older versions. */
const GIT_FLOOR = [2, 50, 1] as const;

interface DoctorInputs {
  readonly paths: TerokPaths;
  readonly backends: readonly BackendReport[];
}

/** Looks at everything that terok needs on this machine; each problem comes with what to do. */
export async function examine({ paths, backends }: DoctorInputs): Promise<readonly DoctorFinding[]> {
  return [nodeFinding(process.version), await gitFinding(), ...(await directoryFindings(paths)), ...backends.flatMap(backendFindings)];
}

function nodeFinding(version: string): DoctorFinding {
  return { severity: 'ok', area: 'node', message: `Node ${version}` };
}

async function gitFinding(): Promise<DoctorFinding> {
  try {
    const text = (await run(['git', 'version'])).stdout.toString('utf8').trim();
    const version = /(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [];
    if (isAtLeast(version, GIT_FLOOR)) return { severity: 'ok', area: 'git', message: text };
    return {
      severity: 'note',
      area: 'git',
      message: `${text} is older than ${GIT_FLOOR.join('.')}, which closed CVE-2025-48384, -48385 and -48386; a distribution may have patched it.`,
      fix: 'Keep git up to date with the security updates of your distribution.',
    };
  } catch (error) {
    if (!isTerokError(error)) throw error;
    return { severity: 'problem', area: 'git', message: error.message, fix: 'Install git: `apt-get install git`.' };
  }
}

function isAtLeast(version: readonly number[], floor: readonly number[]): boolean {
  const index = floor.findIndex((part, at) => part !== version[at]);
  return index === -1 || (version[index] ?? 0) > (floor[index] ?? 0);
}

async function directoryFindings(paths: TerokPaths): Promise<DoctorFinding[]> {
  const findings = await Promise.all(Object.entries(paths).map(([name, dir]) => directoryFinding(name, dir as string)));
  return findings.filter((finding) => finding !== undefined);
}

async function directoryFinding(name: string, dir: string): Promise<DoctorFinding | undefined> {
  const found = await ignoreCodes(['ENOENT'], () => stat(dir));
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) {
    return { severity: 'problem', area: 'state', message: `Others can enter the ${name} directory \`${dir}\`.`, fix: `chmod 700 ${dir}` };
  }
  const writable = await ignoreCodes(['EACCES', 'EROFS'], async () => {
    await access(dir, constants.W_OK);
    return true;
  });
  if (writable === true) return { severity: 'ok', area: 'state', message: `${name}: ${dir}` };
  return {
    severity: 'problem',
    area: 'state',
    message: `The ${name} directory \`${dir}\` cannot be written.`,
    fix: `Give it to the user who runs terok, or set TEROK_${name.toUpperCase()}_DIR.`,
  };
}

function backendFindings({ name, probe, isDefault }: BackendReport): DoctorFinding[] {
  const area = `backend ${name}`;
  if (probe.state === 'available') {
    return [
      { severity: 'ok', area, message: `usable, version ${probe.version}` },
      ...probe.notes.map(({ message, fix }): DoctorFinding => ({ severity: 'note', area, message, fix })),
    ];
  }
  return reasons(probe).map(({ message, fix }) => ({ severity: isDefault ? 'problem' : 'note', area, message, fix }));
}

function reasons(probe: Exclude<ProbeReport, { state: 'available' }>): readonly { message: string; fix: string }[] {
  return probe.findings.length > 0 ? probe.findings : [{ message: `The backend is ${probe.state}.`, fix: 'Run its own diagnosis.' }];
}
