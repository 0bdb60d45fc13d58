import type { ProgressEvent } from './api.ts';

const STAGES = {
  prepare: 'Preparing image and repository',
  launch: 'Starting the bottle',
  provision: 'Setting up the work directory',
  agent: 'Running',
  finish: 'Collecting the work',
} as const;

export type Stage = keyof typeof STAGES;

/** Runs the stages of a task one after the other, tells the caller which one began, and keeps how long each took. */
export class StageTimer {
  readonly #onProgress: (event: ProgressEvent) => void;
  readonly #durations: Record<string, number> = {};

  constructor(onProgress: (event: ProgressEvent) => void) {
    this.#onProgress = onProgress;
  }

  async run<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    this.#onProgress({ stage, message: STAGES[stage] });
    const begin = performance.now();
    try {
      return await work();
    } finally {
      this.#durations[stage] = Math.round((performance.now() - begin) * 10) / 10;
    }
  }

  /** Stage → `ms` */
  get durations(): Readonly<Record<string, number>> {
    return { ...this.#durations };
  }
}
