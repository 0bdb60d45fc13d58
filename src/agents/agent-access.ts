import { TerokError } from '../core/index.ts';
import type { AgentCredential } from './credential-schema.ts';
import type { EndpointOverride } from './model-endpoint.ts';
import { mintAccessKeyId, mintPhantom } from './phantom.ts';
import type { Agent } from './roster-schema.ts';

/** By what an agent is let in, as far as the user and the vault say. */
export interface AccessRequest {
  readonly agent: Agent;
  readonly model?: string;
  /** Names of the stored secrets */
  readonly secrets: readonly string[];
  /** Secret → identifier of the account of that login, which is no secret */
  readonly accounts?: Readonly<Record<string, string>>;
  /** The one of the agent's secrets that the user wants */
  readonly secret?: string;
  /** The user's own model server for this agent; never taken from a repository */
  readonly endpoint?: EndpointOverride;
  readonly mintPhantom?: (prefix: string) => string;
}

/** One credential in one bottle. */
export interface Access {
  readonly credential: AgentCredential;
  readonly phantom: string;
  readonly refreshPhantom: string;
  readonly stored: boolean;
  readonly override: EndpointOverride | undefined;
}

/** The credentials that an agent gets, each with its worthless tokens. Throws SECRET_MISSING, INVALID_CONFIG. */
export function agentAccesses(request: AccessRequest): readonly Access[] {
  return chooseCredentials(request).map((credential, index) => accessTo(credential, request, index === 0));
}

/** The one that the user wants, that of the model's provider, or the first that is stored; a server without a key gets no login. */
function chooseCredentials({ agent, model, secrets, secret: wanted }: AccessRequest): readonly AgentCredential[] {
  if (wanted !== undefined) return [wantedCredential(agent, wanted)];
  if (agent.credentialUse === 'all') return agent.credentials;
  const provider = model?.includes('/') === true ? model.slice(0, model.indexOf('/')) : undefined;
  const named = provider === undefined ? undefined : agent.credentials.find((credential) => credential.provider === provider);
  const stored = agent.credentials.find(({ secret }) => secrets.includes(secret));
  const chosen = named ?? stored ?? agent.credentials.find(({ login }) => login === undefined) ?? agent.credentials[0];
  return chosen === undefined ? [] : [chosen];
}

function wantedCredential(agent: Agent, wanted: string): AgentCredential {
  const found = agent.credentials.find(({ secret }) => secret === wanted);
  if (found !== undefined) return found;
  throw new TerokError('INVALID_CONFIG', `\`${agent.name}\` uses the secret ${secretNames(agent.credentials)}; got \`${wanted}\`.`, {
    hint: `Correct \`secret\` below \`models.${agent.name}\` in the configuration.`,
  });
}

/** The user's model server stands for the first credential; a server of one's own may do without a key. */
function accessTo(credential: AgentCredential, request: AccessRequest, isFirst: boolean): Access {
  const override = isFirst ? request.endpoint : undefined;
  const stored = request.secrets.includes(credential.secret);
  if (!stored && override === undefined) throw missingSecret(credential, request);
  const mint = request.mintPhantom ?? mintPhantom;
  const phantom = credential.awsSigV4 === true ? mintAccessKeyId() : mint(credential.phantomPrefix);
  return { credential, stored, override, phantom, refreshPhantom: mint(credential.login?.refreshPhantomPrefix ?? '') };
}

function missingSecret(credential: AgentCredential, { agent, secret: wanted }: AccessRequest): TerokError {
  const choices = agent.credentialUse === 'one' && wanted === undefined ? agent.credentials : [credential];
  const commands = choices.map(({ secret }) => `\`terok secret set ${secret}\``);
  return new TerokError('SECRET_MISSING', `\`${agent.name}\` needs the secret ${secretNames(choices)}, which is not stored.`, {
    context: { agent: agent.name, secret: credential.secret },
    hint: `Store it with ${commands.join(' or ')}.`,
  });
}

function secretNames(credentials: readonly AgentCredential[]): string {
  return credentials.map(({ secret }) => `\`${secret}\``).join(' or ');
}
