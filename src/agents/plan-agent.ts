import { type Route, TerokError } from '../core/index.ts';
import { parseRoutes } from '../core/resolve/index.ts';
import { fillArgv, fillJson, fillText, type TemplateValues } from './fill-template.ts';
import { type BottleFacts, instructionsText } from './instructions.ts';
import { baseOf, type EndpointOverride, routeFor, tokenRouteFor } from './model-endpoint.ts';
import { mintAccessKeyId, mintPhantom } from './phantom.ts';
import type { Agent, AgentCredential } from './roster-schema.ts';

export const AGENT_HOME = '/home/agent';

export interface AgentRequest {
  readonly agent: Agent;
  readonly mode: 'headless' | 'interactive';
  /** Required for `headless` */
  readonly prompt?: string;
  readonly model?: string;
  /** Form of the headless output, `text` by default */
  readonly output?: 'text' | 'json';
  readonly extraArgs?: readonly string[];
  /** Absolute path in the bottle in which the agent works */
  readonly workDir: string;
  /** Names of the stored secrets */
  readonly secrets: readonly string[];
  /** The user's own model server for this agent; never taken from a repository */
  readonly endpoint?: EndpointOverride;
  readonly facts?: BottleFacts;
  readonly mintPhantom?: (prefix: string) => string;
}

export interface PlannedFile {
  /** Absolute path in the bottle */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

export interface PlannedSecret {
  readonly secret: string;
  readonly env: string;
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

interface Access {
  readonly credential: AgentCredential;
  readonly phantom: string;
  readonly refreshPhantom: string;
  readonly stored: boolean;
  readonly override: EndpointOverride | undefined;
}

/** Works out how an agent runs. Pure but for the phantoms. Throws SECRET_MISSING, USAGE, INVALID_CONFIG. */
export function planAgent(request: AgentRequest): AgentPlan {
  const { agent } = request;
  if (request.mode === 'headless' && (request.prompt ?? '').trim() === '') {
    throw new TerokError('USAGE', `\`${agent.name}\` needs an instruction.`, {
      hint: 'Give one with `-p "…"`, or start it with a terminal.',
    });
  }
  const accesses = chooseCredentials(request).map((credential, index) => accessTo(credential, request, index === 0));
  const values = templateValues(request, accesses);
  return {
    agent: agent.name,
    label: agent.label,
    dirs: agent.dirs.map((dir) => `${AGENT_HOME}/${dir}`),
    files: plannedFiles(request, values),
    env: { ...agent.env, ...agent.autoApprove.env, ...accessEnvironment(accesses) },
    argv: [agent.binary, ...agentArguments(request)],
    verify: agent.verify,
    routes: [...accesses.flatMap((access) => toRoutes(agent, access)), ...parseRoutes(agent.routes, `agent ${agent.name}`)],
    secrets: accesses
      .filter(({ stored }) => stored)
      .map(({ credential, phantom }) => ({ secret: credential.secret, env: credential.env, phantom })),
    hiddenNames: agent.hidden,
    notes: accesses
      .filter(({ stored }) => !stored)
      .map(({ credential }) => `\`${agent.name}\` talks to its model server without a key: no secret \`${credential.secret}\` is stored.`),
  };
}

function chooseCredentials({ agent, model, secrets }: AgentRequest): readonly AgentCredential[] {
  if (agent.credentialUse === 'all') return agent.credentials;
  const provider = model?.includes('/') === true ? model.slice(0, model.indexOf('/')) : undefined;
  const named = provider === undefined ? undefined : agent.credentials.find((credential) => credential.provider === provider);
  const chosen = named ?? agent.credentials.find(({ secret }) => secrets.includes(secret)) ?? agent.credentials[0];
  return chosen === undefined ? [] : [chosen];
}

/** The user's model server stands for the first credential; a server of one's own may do without a key. */
function accessTo(credential: AgentCredential, request: AgentRequest, isFirst: boolean): Access {
  const override = isFirst ? request.endpoint : undefined;
  const stored = request.secrets.includes(credential.secret);
  if (!stored && override === undefined) {
    const choices = request.agent.credentialUse === 'one' ? request.agent.credentials : [credential];
    throw new TerokError(
      'SECRET_MISSING',
      `\`${request.agent.name}\` needs the secret ${choices.map(({ secret }) => `\`${secret}\``).join(' or ')}, which is not stored.`,
      {
        context: { agent: request.agent.name, secret: credential.secret },
        hint: `Store it with \`terok secret set ${credential.secret}\`.`,
      },
    );
  }
  const mint = request.mintPhantom ?? mintPhantom;
  const phantom = credential.awsSigV4 === true ? mintAccessKeyId() : mint(credential.phantomPrefix);
  return { credential, stored, override, phantom, refreshPhantom: mint(credential.phantomPrefix) };
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
      [credential.env, phantom] as const,
      ...(override === undefined || credential.endpointEnv === undefined
        ? []
        : [[credential.endpointEnv, baseOf(override.endpoint)] as const]),
    ]),
  );
}

/** Placeholders of the files. `{phantomTail}` is how Claude Code remembers a key that a person has approved. */
function templateValues({ workDir, model }: AgentRequest, [first]: readonly Access[]): TemplateValues {
  return {
    workDir,
    home: AGENT_HOME,
    endpoint: first && baseOf(first.override?.endpoint ?? first.credential.endpoint),
    provider: first?.credential.provider,
    phantomTail: first?.phantom.slice(-20),
    defaultModel: model ?? first?.credential.defaultModel,
    smallModel: first?.credential.smallModel,
  };
}

function plannedFiles({ agent, facts }: AgentRequest, values: TemplateValues): PlannedFile[] {
  const files = agent.files.map(({ path, text, json, mode }) => ({
    path: `${AGENT_HOME}/${path}`,
    content: text === undefined ? `${JSON.stringify(fillJson(json, values), null, 2)}\n` : fillText(text, values),
    mode: Number.parseInt(mode, 8),
  }));
  if (agent.instructions === undefined) return files;
  return [...files, { path: `${AGENT_HOME}/${agent.instructions.path}`, content: instructionsText(facts ?? {}), mode: 0o600 }];
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
