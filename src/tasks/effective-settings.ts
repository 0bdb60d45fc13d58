import {
  type EffectiveSettings,
  loadGlobalConfig,
  loadProjectConfig,
  loadRepositoryRequests,
  mergeRequests,
  mergeSettings,
  projectConfigFile,
  type Settings,
  selectBackendName,
  type Ungranted,
} from '../core/config/index.ts';
import type { Project } from '../projects/index.ts';
import { BACKEND_NAMES } from './backends.ts';
import type { TaskContext } from './context.ts';

export interface ProjectSettings {
  readonly settings: EffectiveSettings;
  readonly origins: Readonly<Record<string, string>>;
  /** Files that exist, in rising precedence */
  readonly files: readonly string[];
  readonly ungranted: readonly Ungranted[];
  readonly global: Settings;
  readonly project: Settings;
}

/** Reads what the user configured for a project, and what the repository only asks for. */
export async function loadSettings(context: TaskContext, project: Project): Promise<ProjectSettings> {
  const [global, own, requests] = await Promise.all([
    loadGlobalConfig(context.paths),
    loadProjectConfig(context.paths, project.id),
    loadRepositoryRequests(project.source),
  ]);
  const { settings, origins } = mergeSettings(global.value, own.value);
  return {
    settings,
    origins,
    files: [global, own, requests].filter((config) => config.exists).map((config) => config.file),
    ungranted: mergeRequests(requests.value, settings, projectConfigFile(context.paths, project.id)),
    global: global.value,
    project: own.value,
  };
}

/** The backend by precedence: `--backend`, `TEROK_BACKEND`, project, global configuration, then podman. */
export async function chooseBackend(
  context: TaskContext,
  settings: Pick<ProjectSettings, 'global' | 'project'>,
  flag: string | undefined,
): Promise<string> {
  const known = BACKEND_NAMES.map((name) => ({ name, probe: async () => await (await context.backend(name)).probe() }));
  return await selectBackendName(
    { flag, env: context.env.TEROK_BACKEND, project: settings.project.backend, global: settings.global.backend },
    known,
  );
}
