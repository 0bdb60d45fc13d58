import type { z } from 'zod';
import { type Route, TerokError } from '../core/index.ts';
import { parseRoutes } from '../core/resolve/index.ts';
import { type Access, type AccessRequest, agentAccesses } from './agent-access.ts';
import { fillArgv, fillJson, fillText, type TemplateValues } from './fill-template.ts';
import { type BottleFacts, instructionsText } from './instructions.ts';
import { baseOf, routeFor, tokenRouteFor } from './model-endpoint.ts';
import type { plannedFile } from './roster-fields.ts';
import type { Agent } from './roster-schema.ts';

export const AGENT_HOME = '/home/agent';

export interface AgentRequest extends AccessRequest {
  readonly mode: 'headless' | 'interactive';
  /** Required for `headless` */
  readonly prompt?: string;
  /** Form of the headless output, `text` by default */
  readonly output?: 'text' | 'json';
  readonly extraArgs?: readonly string[];
  /** Absolute path in the bottle in which the agent works */
  readonly workDir: string;
  readonly facts?: BottleFacts;
}

export interface PlannedFile {
  /** Absolute path in the bottle */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

export interface PlannedSecret {
  readonly secret: string;
  /** Undefined where a file carries the phantom */
  readonly env?: string;
  readonly phantom: string;
}

/** All that an agent needs in its bottle and at the gateway. JSON; holds phantoms, never real secrets. */
export interface AgentPlan {
  readonly agent: string;
  readonly label: string;
  /** Absolute paths of directories of the agent user */
  readonly dirs: readonly string[];
  readonly files: readonly PlannedFile[];
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  readonly verify: readonly (readonly string[])[];
  readonly routes: readonly Route[];
  readonly secrets: readonly PlannedSecret[];
  /** Variables of the host that must not enter the bottle */
  readonly hiddenNames: readonly string[];
  readonly notes: readonly string[];
}

/** Works out how an agent runs. Pure but for the phantoms. Throws SECRET_MISSING, USAGE, INVALID_CONFIG. */
export function planAgent(request: AgentRequest): AgentPlan {
  const { agent } = request;
  if (request.mode === 'headless' && (request.prompt ?? '').trim() === '') {
    throw new TerokError('USAGE', `\`${agent.name}\` needs an instruction.`, {
      hint: 'Give one with `-p "…"`, or start it with a terminal.',
    });
  }
  const accesses = agentAccesses(request);
  return {
    agent: agent.name,
    label: agent.label,
    dirs: agent.dirs.map((dir) => `${AGENT_HOME}/${dir}`),
    files: plannedFiles(request, accesses),
    env: { ...agent.env, ...agent.autoApprove.env, ...accessEnvironment(accesses) },
    argv: [agent.binary, ...agentArguments(request)],
    verify: agent.verify,
    routes: [...accesses.flatMap((access) => toRoutes(agent, access)), ...parseRoutes(agent.routes, `agent ${agent.name}`)],
    secrets: accesses
      .filter(({ stored }) => stored)
      .map(({ credential: { secret, env }, phantom }) => ({ secret, ...(env === undefined ? {} : { env }), phantom })),
    hiddenNames: agent.hidden,
    notes: accesses
      .filter(({ stored }) => !stored)
      .map(({ credential }) => `\`${agent.name}\` talks to its model server without a key: no secret \`${credential.secret}\` is stored.`),
  };
}

function toRoutes(agent: Agent, { credential, phantom, refreshPhantom, stored, override }: Access): readonly Route[] {
  const name = `${agent.name}-${credential.secret}`;
  const routes = [
    routeFor(name, credential, stored ? phantom : undefined, override),
    stored ? tokenRouteFor(`${name}-token`, credential, { access: phantom, refresh: refreshPhantom }) : undefined,
  ];
  return parseRoutes(
    routes.filter((route) => route !== undefined),
    `the model server of \`${agent.name}\``,
  );
}

function accessEnvironment(accesses: readonly Access[]): Record<string, string> {
  return Object.fromEntries(
    accesses.flatMap(({ credential, phantom, override }) => [
      ...(credential.env === undefined ? [] : [[credential.env, phantom] as const]),
      ...(override === undefined || credential.endpointEnv === undefined
        ? []
        : [[credential.endpointEnv, baseOf(override.endpoint)] as const]),
    ]),
  );
}

/** Placeholders of the files. `{phantomTail}` is how Claude Code remembers a key that a person has approved. */
function templateValues({ workDir, model, accounts }: AgentRequest, first: Access | undefined): TemplateValues {
  return {
    ...first?.credential.values,
    workDir,
    home: AGENT_HOME,
    endpoint: first && baseOf(first.override?.endpoint ?? first.credential.endpoint),
    provider: first?.credential.provider,
    phantom: first?.phantom,
    phantomTail: first?.phantom.slice(-20),
    refreshPhantom: first?.refreshPhantom,
    account: first && accounts?.[first.credential.secret],
    defaultModel: model ?? first?.credential.defaultModel,
    smallModel: first?.credential.smallModel,
  };
}

function plannedFiles(request: AgentRequest, accesses: readonly Access[]): PlannedFile[] {
  const { agent, facts } = request;
  const files = [
    ...agent.files.map((file) => fillFile(file, templateValues(request, accesses[0]))),
    ...accesses.flatMap((access) => access.credential.files.map((file) => fillFile(file, templateValues(request, access)))),
  ];
  if (agent.instructions === undefined) return files;
  return [...files, { path: `${AGENT_HOME}/${agent.instructions.path}`, content: instructionsText(facts ?? {}), mode: 0o600 }];
}

function fillFile({ path, text, json, mode }: z.output<typeof plannedFile>, values: TemplateValues): PlannedFile {
  return {
    path: `${AGENT_HOME}/${path}`,
    content: text === undefined ? `${JSON.stringify(fillJson(json, values), null, 2)}\n` : fillText(text, values),
    mode: Number.parseInt(mode, 8),
  };
}

function agentArguments({ agent, mode, prompt, model, output, extraArgs }: AgentRequest): string[] {
  if (model !== undefined && agent.model === undefined) {
    throw new TerokError('USAGE', `\`${agent.name}\` cannot be told a model; got \`${model}\`.`, { hint: 'Leave the model out.' });
  }
  const lists = {
    autoApprove: agent.autoApprove.flags,
    model: model === undefined ? [] : (agent.model?.flags ?? []).map((flag) => fillText(flag, { value: model })),
    output: agent.headless.output[output ?? 'text'],
    extra: extraArgs ?? [],
  };
  return fillArgv(mode === 'headless' ? agent.headless.argv : agent.interactive.argv, lists, { prompt });
}
