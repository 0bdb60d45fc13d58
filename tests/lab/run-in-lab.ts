import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bootLab, type LabResult } from './boot.ts';
import { buildLab } from './build-lab.ts';
import { makeCheckoutDisk, modulesDisk } from './checkout.ts';
import { imagesDisk } from './images-disk.ts';
import { whyNoLab } from './programs.ts';

export interface LabRun {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** References of images of this host that the lab's Podman shall have */
  readonly images: readonly string[];
  readonly deadlineMs: number;
  readonly shell?: boolean;
  readonly onStep: (message: string) => void;
}

/** From power on to the command, and from its end to power off, at most. */
const MARGIN_MS = 120_000;

/** Builds what is missing, runs one command of the checkout in the lab, and gives `use` its result before everything is removed. */
export async function runInLab<T>(request: LabRun, use: (result: LabResult) => Promise<T>): Promise<T> {
  const reason = await whyNoLab();
  if (reason !== undefined) throw new Error(`The lab cannot be used here: ${reason}.`);
  const dir = await mkdtemp(path.join(tmpdir(), 'terok-lab-'));
  try {
    const lab = await buildLab(request.onStep);
    const [modules, images] = [await modulesDisk(), await imagesDisk(request.images)];
    const seconds = String(Math.ceil(request.deadlineMs / 1000));
    const env = {
      TEROK_PATIENCE: '15',
      ...request.env,
      TEROK_LAB_SECONDS: seconds,
      ...(request.shell === true ? { TEROK_LAB_SHELL: '1' } : {}),
    };
    const checkout = await makeCheckoutDisk(dir, { argv: request.argv, env });
    request.onStep('starting the emulated machine');
    const deadlineMs = request.deadlineMs + MARGIN_MS;
    return await use(await bootLab({ lab, checkout, modules, images, dir, deadlineMs, shell: request.shell === true }));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
