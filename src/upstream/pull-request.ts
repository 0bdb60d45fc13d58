/*
 * Scope: opening a pull or merge request at a forge, with a stored token. Out of scope: what it holds; the branch is there already.
 * Fail-safe direction: the token goes to the named API alone, never along a redirect; an answer that is not understood is an error.
 */
import { askServer, type HostRoad, messageOf, parseJson, renderUntrusted, type ServerRequest, TerokError } from '../core/index.ts';
import type { Vault } from '../vault/index.ts';
import type { ForgeRecord } from './upstream-record.ts';

export interface PullRequestWish {
  readonly forge: ForgeRecord;
  /** `owner/name` */
  readonly repository: string;
  /** Branch with the work, and the one that it is for */
  readonly head: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
}

export interface PullRequest {
  readonly number: number;
  /** Address for a person; safe to print */
  readonly url: string | undefined;
  /** False where one for these branches was open already */
  readonly created: boolean;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 ** 2;

interface Dialect {
  readonly path: (repository: string) => string;
  readonly authorization: (token: string) => Readonly<Record<string, string>>;
  readonly body: (wish: PullRequestWish) => Readonly<Record<string, string>>;
  /** Query that finds an open one for the same branches */
  readonly search: (wish: PullRequestWish) => string;
  readonly numberField: 'number' | 'iid';
  readonly urlField: 'html_url' | 'web_url';
  readonly headOf: (entry: Readonly<Record<string, unknown>>) => unknown;
}

const pulls: Omit<Dialect, 'authorization'> = {
  path: (repository) => `/repos/${repository}/pulls`,
  body: ({ head, base, title, body }) => ({ head, base, title, body }),
  search: () => '?state=open',
  numberField: 'number',
  urlField: 'html_url',
  headOf: ({ head }) => (isRecord(head) ? head['ref'] : undefined),
};

const DIALECTS: Readonly<Record<ForgeRecord['kind'], Dialect>> = {
  gitea: { ...pulls, authorization: (token) => ({ authorization: `token ${token}` }) },
  github: {
    ...pulls,
    authorization: (token) => ({ authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' }),
    search: ({ repository, head, base }) =>
      `?state=open&head=${encodeURIComponent(`${repository.split('/')[0]}:${head}`)}&base=${encodeURIComponent(base)}`,
  },
  gitlab: {
    path: (repository) => `/projects/${encodeURIComponent(repository)}/merge_requests`,
    authorization: (token) => ({ 'private-token': token }),
    body: ({ head, base, title, body }) => ({ source_branch: head, target_branch: base, title, description: body }),
    search: ({ head, base }) => `?state=opened&source_branch=${encodeURIComponent(head)}&target_branch=${encodeURIComponent(base)}`,
    numberField: 'iid',
    urlField: 'web_url',
    headOf: ({ source_branch: head }) => head,
  },
};

/** Opens one, or gives the one that is open for the same branches. Throws SECRET_MISSING, RUNTIME_FAILED. */
export async function openPullRequest(wish: PullRequestWish, vault: Vault, road: HostRoad = {}): Promise<PullRequest> {
  const dialect = DIALECTS[wish.forge.kind];
  const token = (await vault.get(wish.forge.secret)).reveal().trim();
  const address = `${wish.forge.api}${dialect.path(wish.repository)}`;
  const headers = { ...dialect.authorization(token), 'content-type': 'application/json' };
  const made = await ask(address, road, { method: 'POST', headers, body: JSON.stringify(dialect.body(wish)) });
  if (made.status >= 200 && made.status < 300) return toPullRequest(dialect, made.json, true);
  if (made.status !== 409 && made.status !== 422) throw failed(wish, made.status, made.json);
  const open = await ask(`${address}${dialect.search(wish)}`, road, { method: 'GET', headers });
  const listed: readonly unknown[] = Array.isArray(open.json) ? open.json : [];
  const same = listed.find((entry) => isRecord(entry) && dialect.headOf(entry) === wish.head);
  if (same === undefined) throw failed(wish, made.status, made.json);
  return toPullRequest(dialect, same, false);
}

async function ask(
  address: string,
  road: HostRoad,
  request: Pick<ServerRequest, 'method' | 'headers' | 'body'>,
): Promise<{ readonly status: number; readonly json: unknown }> {
  try {
    const limits = { timeoutMs: TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
    const { status, text } = await askServer(new URL(address), road, { ...request, ...limits });
    return { status, json: parseJson(text) };
  } catch (error) {
    throw new TerokError('RUNTIME_FAILED', `The forge at \`${new URL(address).host}\` could not be asked: ${messageOf(error)}`, {
      hint: 'The branch is pushed; run `terok push` again, or open the request by hand.',
      cause: error,
    });
  }
}

function toPullRequest({ numberField, urlField }: Dialect, entry: unknown, created: boolean): PullRequest {
  const fields = isRecord(entry) ? entry : {};
  const [number, url] = [fields[numberField], fields[urlField]];
  if (typeof number !== 'number') throw new TerokError('RUNTIME_FAILED', 'The answer of the forge names no pull request.');
  return { number, url: typeof url === 'string' ? renderUntrusted(url) : undefined, created };
}

function failed({ forge, head, base }: PullRequestWish, status: number, answer: unknown): TerokError {
  const said = isRecord(answer) && typeof answer['message'] === 'string' ? `: ${renderUntrusted(answer['message'])}` : '';
  return new TerokError('RUNTIME_FAILED', `The forge answered ${status} to a request from \`${head}\` to \`${base}\`${said}.`, {
    hint: `Look at the rights of the token \`${forge.secret}\`; the branch itself is pushed.`,
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
