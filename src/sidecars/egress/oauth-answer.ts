/*
 * Scope: the answer of an OAuth token endpoint to a bottle: worthless tokens for worthless tokens, made here; the request goes nowhere.
 * Out of scope: renewing the real token (`vault`). Fail-safe direction: without this bottle's own refresh token the answer is the
 * standard's `invalid_grant`; no real token is ever part of an answer.
 */
import type { Readable } from 'node:stream';
import type { OAuthAnswer } from '../../core/credential-injection.ts';
import { messageOf } from '../../core/errors.ts';
import { sameText } from './phantom.ts';
import type { Flow, Transport } from './transport.ts';

/** A request for tokens is a few hundred bytes. */
const MAX_REQUEST_BYTES = 64 * 1024;
/** The bottle asks again after this long; the real token is renewed whenever it must be. */
const LIFETIME_SECONDS = 3_600;

interface TokenReply {
  readonly status: number;
  readonly body: Readonly<Record<string, string | number>>;
}

/** Stands in the place of the connection to the token endpoint. `check` rejects where the real login is not usable. */
export function oauthTransport(oauth: OAuthAnswer, check: (secret: string) => Promise<unknown>): Transport {
  return {
    dispatch: ({ body }, handler) => {
      const controller = new LocalController();
      handler.onRequestStart(controller);
      replyTo(body, oauth, check)
        .then(({ status, body: fields }) => {
          if (controller.aborted) return;
          const bytes = Buffer.from(`${JSON.stringify(fields)}\n`);
          const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': String(bytes.length) };
          handler.onResponseStart(controller, status, headers);
          handler.onResponseData(controller, bytes);
          handler.onResponseEnd(controller, {});
        })
        .catch((error: unknown) => handler.onResponseError(controller, error instanceof Error ? error : new Error(messageOf(error))));
    },
  };
}

async function replyTo(body: Readable | null, oauth: OAuthAnswer, check: (secret: string) => Promise<unknown>): Promise<TokenReply> {
  const fields = parseFields(body === null ? '' : await readText(body));
  if (fields.grant_type !== 'refresh_token') return failure(400, 'unsupported_grant_type', LOG_IN);
  if (!sameText(fields.refresh_token ?? '', oauth.refreshPhantom)) return failure(400, 'invalid_grant', LOG_IN);
  try {
    await check(oauth.secret);
  } catch {
    // What failed is in the audit log of the request that needs the token; the bottle is told only that it must wait
    return failure(503, 'temporarily_unavailable', `The login \`${oauth.secret}\` cannot be renewed on the host.`);
  }
  return {
    status: 200,
    body: {
      access_token: oauth.accessPhantom,
      refresh_token: oauth.refreshPhantom,
      token_type: 'Bearer',
      expires_in: LIFETIME_SECONDS,
      // Some clients take an answer without it for one that grants nothing
      ...(fields.scope === undefined ? {} : { scope: fields.scope }),
    },
  };
}

const LOG_IN = 'terok keeps the login of this bottle on the host: a person logs in there, with `terok secret set NAME --oauth`.';

function failure(status: number, error: string, description: string): TokenReply {
  return { status, body: { error, error_description: description } };
}

/** JSON or a form, whatever the content type says: clients are careless with it. */
function parseFields(text: string): Readonly<Record<string, string>> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return {};
    return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch (error) {
    if (error instanceof SyntaxError) return Object.fromEntries(new URLSearchParams(text));
    throw error;
  }
}

async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_REQUEST_BYTES) throw new Error(`a request for tokens is longer than ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The answer is one small piece, so there is nothing to pause. */
class LocalController implements Flow {
  aborted = false;

  pause(): void {
    /* nothing flows */
  }

  resume(): void {
    /* nothing flows */
  }

  abort(): void {
    this.aborted = true;
  }
}
