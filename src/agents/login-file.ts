import { parseJson } from '../core/index.ts';
import type { AgentCredential } from './credential-schema.ts';
import type { Roster } from './load-roster.ts';

/** What terok keeps of a login, as a person may also write it. */
export interface LoginInput {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly format: 'form' | 'json';
  readonly refreshToken: string;
  readonly account?: string;
}

/**
 * The login in a file of the agent that uses the secret `name`. Undefined where no agent has such a login, or the text is none.
 * The access token is left where it is: the first use renews it.
 */
export function loginFromFile(roster: Roster, name: string, text: string): LoginInput | undefined {
  const credential = [...roster.values()].flatMap(({ agent }) => agent.credentials).find(({ secret, login }) => secret === name && login);
  return credential?.login === undefined ? undefined : readLogin(credential.login, parseJson(text));
}

function readLogin(
  { tokenEndpoint, clientId, format, file: places }: NonNullable<AgentCredential['login']>,
  file: unknown,
): LoginInput | undefined {
  const refreshToken = textAt(file, places.refreshToken);
  if (refreshToken === undefined) return undefined;
  const account = places.account === undefined ? undefined : textAt(file, places.account);
  return { tokenEndpoint, clientId, format, refreshToken, ...(account === undefined ? {} : { account }) };
}

function textAt(value: unknown, members: readonly string[]): string | undefined {
  const found = members.reduce<unknown>(
    (inner, member) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, member) ? (inner as Record<string, unknown>)[member] : undefined,
    value,
  );
  return typeof found === 'string' ? found : undefined;
}
