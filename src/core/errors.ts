/** Every failure that terok reports on purpose, with the exit status of the process that ends because of it. */
export const ERROR_EXIT_STATUS = {
  USAGE: 120,
  INVALID_CONFIG: 120,
  INVALID_ROUTE: 120,
  UNSUPPORTED_BY_BACKEND: 120,
  NOT_FOUND: 121,
  AMBIGUOUS: 121,
  ALREADY_EXISTS: 121,
  WRONG_STATE: 121,
  BACKEND_UNAVAILABLE: 122,
  IMAGE_UNAVAILABLE: 122,
  LIMIT_UNENFORCEABLE: 122,
  DEPENDENCY_MISSING: 122,
  REFUSED: 123,
  SECRET_MISSING: 123,
  TIMEOUT: 124,
  CANCELLED: 130,
  RUNTIME_FAILED: 125,
  GATEWAY_FAILED: 125,
  CHANNEL_LOST: 125,
  COPY_REFUSED: 123,
  GIT_FAILED: 125,
  STATE_CORRUPT: 125,
  DISK_FULL: 125,
  LOCK_LOST: 125,
} as const;

export type ErrorCode = keyof typeof ERROR_EXIT_STATUS;

export interface TerokErrorOptions {
  /** What the error is about: identifiers, paths, limits; never a secret */
  readonly context?: Readonly<Record<string, unknown>>;
  /** The next action for a person, one sentence */
  readonly hint?: string;
  readonly cause?: unknown;
}

const BRAND = Symbol.for('terok.error');

/**
 * The one error type of terok. `message` names what failed, the rule and the value that was seen; `hint` says what to do.
 *
 * @example
 * throw new TerokError('NOT_FOUND', `No bottle named \`${slug}\`.`, { hint: 'List the bottles with `terok list`.' });
 */
export class TerokError extends Error {
  override readonly name = 'TerokError';
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: TerokErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Object.defineProperty(this, BRAND, { value: true });
    this.code = code;
    this.context = options.context ?? {};
    this.hint = options.hint;
  }

  get exitStatus(): number {
    return ERROR_EXIT_STATUS[this.code];
  }

  toJSON(): { code: ErrorCode; message: string; hint?: string; context: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, ...(this.hint === undefined ? {} : { hint: this.hint }), context: this.context };
  }
}

/** Recognises a `TerokError` of any copy of this module. */
export function isTerokError(error: unknown): error is TerokError {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error such as `ENOENT`, otherwise undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Runs `work` and gives undefined where it fails with one of the named system codes; everything else is thrown on. */
export async function ignoreCodes<T>(codes: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (codes.includes(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}
