import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bootLab, type LabResult } from './boot.ts';
import { buildLab, type Lab, type LabWork } from './build-lab.ts';
import { makeCheckoutDisk, modulesDisk } from './checkout.ts';
import { imagesDisk } from './images-disk.ts';
import { whyNoLab } from './programs.ts';

export interface LabRun {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly shell?: boolean;
  readonly onLine?: (line: string) => void;
}

/** Everything that several runs can share. */
export interface PreparedLab extends Lab {
  readonly modules: string;
  readonly images: string;
}

/** From power on to the command, and from its end to power off, at most. */
const MARGIN_MS = 120_000;
const DIRECTORY = 'terok-lab-';

/** Builds what is missing. `references` are images of this host that the lab's Podman shall have. */
export async function prepareLab(references: readonly string[], work: LabWork): Promise<PreparedLab> {
  const reason = await whyNoLab();
  if (reason !== undefined) throw new Error(`The lab cannot be used here: ${reason}.`);
  await removeAbandoned();
  // first, because somebody may remove the images meanwhile
  const images = await imagesDisk(references, work.signal);
  return { ...(await buildLab(work)), modules: await modulesDisk(work.signal), images };
}

/** Runs one command of the checkout in the lab, and gives `use` its result before everything is removed. */
export async function runInLab<T>(
  lab: PreparedLab,
  request: LabRun,
  { onStep, signal }: LabWork,
  use: (result: LabResult) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(path.join(tmpdir(), `${DIRECTORY}${process.pid}-`));
  const { shell = false, onLine } = request;
  try {
    const env = {
      TEROK_PATIENCE: '15',
      ...request.env,
      TEROK_LAB_SECONDS: String(Math.ceil(request.deadlineMs / 1000)),
      ...(shell ? { TEROK_LAB_SHELL: '1' } : {}),
    };
    const checkout = await makeCheckoutDisk(dir, { argv: request.argv, env }, signal);
    onStep('starting the emulated machine');
    const deadlineMs = request.deadlineMs + MARGIN_MS;
    const boot = { lab, checkout, modules: lab.modules, images: lab.images, dir, deadlineMs, shell, signal };
    return await use(await bootLab(onLine === undefined ? boot : { ...boot, onLine }));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What a lab left that was killed before it could remove it: its directory carries its process id. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${DIRECTORY}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) await rm(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
