import path from 'node:path';
import type { GitSettingsInEffect } from '../core/config/index.ts';
import { ownFile } from '../core/index.ts';
import { taskLfsDir, taskRef, taskRepository } from '../projects/git/index.ts';
import type { Project } from '../projects/index.ts';
import type { GatePlan } from '../sidecars/gateway/index.ts';
import type { TaskContext } from './context.ts';

export interface GateInputs {
  readonly project: Pick<Project, 'source' | 'isGit'>;
  readonly slug: string;
  readonly settings: GitSettingsInEffect;
  /** Directory of the project's gate */
  readonly gate: string;
}

/** What the gateway of a task's bottle is told about its gate. */
export function planGate({ paths }: TaskContext, { project, slug, settings, gate }: GateInputs): GatePlan {
  const main = ownFile({ source: 'tasks/forward-main.ts', built: 'forward-push.js' });
  return {
    repository: taskRepository(gate, slug),
    writableRef: taskRef(slug),
    rules: settings.rules,
    lfs: {
      directory: taskLfsDir(gate, slug),
      ...(project.isGit ? { offered: path.join(project.source, '.git/lfs/objects') } : {}),
    },
    ...(settings.class === 'online' ? { afterPush: { main, argument: JSON.stringify({ paths, slug }) } } : {}),
  };
}
