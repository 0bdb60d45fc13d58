/*
 * Scope: the value that a gateway sends for a secret: the secret itself, or a fresh access token of an OAuth login.
 * Out of scope: where it goes. Fail-safe direction: a refresh token is never given out; an access token that has ended neither.
 */
import { z } from 'zod';
import { ERROR_EXIT_STATUS, type ErrorCode, TerokError } from '../core/errors.ts';
import { ownFile } from '../core/own-file.ts';
import { helperEnvironment, run } from '../core/process.ts';
import type { UpstreamProxy } from '../core/upstream-proxy.ts';
import { type OAuthSecret, readOAuthSecret, tokenState } from './oauth-secret.ts';
import type { RefreshJob } from './refresh-job.ts';
import { digestOfToken } from './refresh-oauth.ts';
import { Vault } from './vault.ts';

export interface CredentialsOptions {
  /** Directory of the vault */
  readonly dir: string;
  /** PEM files of CAs that token endpoints may have beside those of the host */
  readonly caFiles?: readonly string[];
  /** Through which token endpoints are asked; where absent, what the environment says */
  readonly proxy?: UpstreamProxy;
  readonly env?: NodeJS.ProcessEnv;
}

/** Above the deadline of the request and the wait for another process that makes one. */
const REFRESH_MS = 60_000;
/** A token endpoint that failed is left alone for this long. */
const RETRY_AFTER_MS = 10_000;
/** A server that refuses every token leads to no more than one early renewal in this time. */
const EARLY_AGAIN_MS = 60_000;
/** How the host reaches the internet, for the program that asks the token endpoint. */
const PROXY_VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy'];

const failureSchema = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

interface Failure {
  readonly error: TerokError;
  readonly until: number;
}

/** The credentials of one gateway. */
export class Credentials {
  readonly #options: CredentialsOptions;
  readonly #vault: Vault;
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, Failure>();
  readonly #early = new Map<string, number>();
  readonly #renewals = new Map<string, Promise<void>>();

  constructor(options: CredentialsOptions) {
    this.#options = options;
    this.#vault = new Vault(options.dir);
  }

  /** The value to send. Throws SECRET_MISSING, REFUSED, GATEWAY_FAILED. */
  async value(name: string): Promise<string> {
    // Its failure is told to who began it; the token that was refused is all there is then
    await this.#renewals.get(name)?.catch(() => undefined);
    const text = (await this.#vault.get(name)).reveal();
    const login = readOAuthSecret(name, text);
    if (login === undefined) return text;
    const state = tokenState(login, Date.now());
    if (state === 'fresh') return accessTokenOf(name, login);
    const renewed = this.#refresh(name);
    if (state === 'ending') {
      // The token that is still good serves; a failure is met when it has ended
      renewed.catch(() => undefined);
      return accessTokenOf(name, login);
    }
    await renewed;
    return accessTokenOf(name, readOAuthSecret(name, (await this.#vault.get(name)).reveal()));
  }

  /** The server did not take this value: an access token that was revoked early is renewed. Who asks meanwhile gets the new one. */
  refused(name: string, value: string): Promise<void> {
    const renewal = this.#renewals.get(name) ?? this.#renewRefused(name, value).finally(() => this.#renewals.delete(name));
    this.#renewals.set(name, renewal);
    return renewal;
  }

  async #renewRefused(name: string, value: string): Promise<void> {
    const login = readOAuthSecret(name, (await this.#vault.get(name)).reveal());
    if (login?.accessToken !== value || (this.#early.get(name) ?? 0) > performance.now()) return;
    this.#early.set(name, performance.now() + EARLY_AGAIN_MS);
    await this.#refresh(name, digestOfToken(value));
  }

  /** One refresh for all that ask meanwhile. */
  #refresh(name: string, refused?: string): Promise<void> {
    const failure = this.#failures.get(name);
    if (failure !== undefined && failure.until > Date.now()) return Promise.reject(failure.error);
    const running = this.#running.get(name) ?? this.#runHelper(name, refused).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }

  async #runHelper(name: string, refused: string | undefined): Promise<void> {
    const program = ownFile({ source: 'vault/refresh-main.ts', built: 'refresh-token.js' });
    const { dir, caFiles = [], proxy, env = process.env } = this.#options;
    const job: RefreshJob = {
      dir,
      name,
      caFiles,
      ...(proxy === undefined ? {} : { proxy }),
      ...(refused === undefined ? {} : { refused }),
    };
    const variables = Object.fromEntries(PROXY_VARIABLES.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]])));
    const result = await run([process.execPath, program, JSON.stringify(job)], {
      env: helperEnvironment(proxy === undefined ? { ...variables, NODE_USE_ENV_PROXY: '1' } : {}, env),
      timeoutMs: REFRESH_MS,
      cwd: '/',
    });
    if (result.exitCode === 0) return void this.#failures.delete(name);
    const error = failureOf(name, result.stdout.toString('utf8'));
    this.#failures.set(name, { error, until: Date.now() + RETRY_AFTER_MS });
    throw error;
  }
}

function accessTokenOf(name: string, login: OAuthSecret | undefined): string {
  if (login?.accessToken !== undefined && tokenState(login, Date.now()) !== 'ended') return login.accessToken;
  throw new TerokError('GATEWAY_FAILED', `The OAuth secret \`${name}\` has no access token that is still good.`);
}

function failureOf(name: string, text: string): TerokError {
  try {
    const { code, message, hint } = failureSchema.parse(JSON.parse(text));
    const known = Object.hasOwn(ERROR_EXIT_STATUS, code) ? (code as ErrorCode) : 'GATEWAY_FAILED';
    return new TerokError(known, message, hint === undefined ? {} : { hint });
  } catch (cause) {
    return new TerokError('GATEWAY_FAILED', `The access token of the OAuth secret \`${name}\` could not be renewed.`, { cause });
  }
}
