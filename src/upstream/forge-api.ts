/*
 * Scope: the deploy keys of a repository at its forge, over the forge's API. Out of scope: pull requests.
 * Fail-safe direction: an answer that is not understood is an error; a key counts as revoked only when the forge says that it is not there.
 */
import { z } from 'zod';
import { askServer, type HostRoad, messageOf, parseJson, type ServerAnswer, TerokError } from '../core/index.ts';

/** Gives a key to one repository and takes it away again; one for each kind of forge. */
export interface ForgeKeys {
  /** Gives the id that `revoke` takes */
  create(title: string, publicKey: string): Promise<number>;
  /** Number of a key that the forge has; for one whose making was cut off */
  find(publicKey: string): Promise<number | undefined>;
  /** Also succeeds where the forge does not have the key any more */
  revoke(id: number): Promise<void>;
}

export interface ForgeAccess {
  readonly kind: 'gitea' | 'github';
  /** Base of the API, such as `https://git.example.com/api/v1` */
  readonly api: string;
  /** `owner/name` */
  readonly repository: string;
  /** Read when it is used, and kept nowhere */
  readonly token: () => Promise<string>;
  /** How this machine reaches it; directly by default */
  readonly road?: () => Promise<HostRoad>;
}

const DIALECTS = {
  gitea: { scheme: 'token', accept: 'application/json' },
  github: { scheme: 'Bearer', accept: 'application/vnd.github+json' },
} as const;

const REQUEST_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 ** 2;
const keySchema = z.object({ id: z.int() });
const listSchema = z.array(z.object({ id: z.int(), key: z.string() }));

export function openForgeKeys(access: ForgeAccess): ForgeKeys {
  return {
    async create(title, publicKey) {
      const { status, text } = await call(access, 'POST', 'keys', { title, key: publicKey, read_only: false });
      if (status !== 201) throw failed(access, 'did not take the deploy key', status);
      const parsed = keySchema.safeParse(parseJson(text));
      if (!parsed.success) throw failed(access, 'took the deploy key and did not say its number', status);
      return parsed.data.id;
    },
    async find(publicKey) {
      const { status, text } = await call(access, 'GET', 'keys');
      const parsed = status === 200 ? listSchema.safeParse(parseJson(text)) : undefined;
      if (parsed?.success !== true) throw failed(access, 'did not list its deploy keys', status);
      return parsed.data.find(({ key }) => key.split(' ').slice(0, 2).join(' ') === publicKey)?.id;
    },
    async revoke(id) {
      const { status } = await call(access, 'DELETE', `keys/${id}`);
      if (status !== 204 && status !== 200 && status !== 404) throw failed(access, `did not revoke the deploy key ${id}`, status);
    },
  };
}

async function call(access: ForgeAccess, method: string, path: string, body?: object): Promise<ServerAnswer> {
  const { scheme, accept } = DIALECTS[access.kind];
  const url = new URL(`${access.api.replace(/\/+$/, '')}/repos/${access.repository}/${path}`);
  try {
    return await askServer(url, (await access.road?.()) ?? {}, {
      method,
      headers: { authorization: `${scheme} ${await access.token()}`, accept, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeoutMs: REQUEST_MS,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
  } catch (error) {
    throw new TerokError('GIT_FAILED', `The forge at \`${access.api}\` could not be asked: ${messageOf(error)}`, { cause: error });
  }
}

function failed({ api, repository }: ForgeAccess, what: string, status: number): TerokError {
  const revoked = status === 401 || status === 403;
  return new TerokError('GIT_FAILED', `The forge at \`${api}\` ${what} for \`${repository}\`: status ${status}.`, {
    hint: revoked
      ? 'Its token was revoked or may not do this: store another one with `terok secret set`.'
      : 'Look at the settings of the repository at the forge.',
  });
}
