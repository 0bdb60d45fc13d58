import { type AgentPlan, applyAgentPlan } from '../agents/index.ts';
import type { EffectiveSettings } from '../core/config/index.ts';
import type { Bottle } from '../core/index.ts';
import type { Project } from '../projects/index.ts';
import { cloneInto } from './repository.ts';

export interface ProvisionInputs {
  readonly slug: string;
  readonly project: Project;
  readonly agent: AgentPlan | undefined;
  readonly settings: EffectiveSettings;
  readonly signal?: AbortSignal;
}

/** Author of commits where the configuration names none; an agent's commits must not look like the user's own. */
const DEFAULT_IDENTITY = { name: 'terok agent', email: 'agent@terok.invalid' } as const;

/** Clones the work into the bottle and sets the agent up there. */
export async function provision(bottle: Bottle, { slug, project, agent, settings, ...cancel }: ProvisionInputs): Promise<void> {
  const identity = settings.gitIdentity ?? DEFAULT_IDENTITY;
  await Promise.all([
    cloneInto(bottle, { slug, directoryName: project.name, identity, ...cancel }),
    agent === undefined ? undefined : applyAgentPlan(bottle, agent, cancel),
  ]);
}
