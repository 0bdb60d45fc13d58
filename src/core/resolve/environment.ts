/*
 * Scope: the environment of a bottle as the user wrote it, turned into values. Out of scope: tokens of agents, which the gateway
 * injects. Fail-safe direction: what cannot be resolved stops the task; a sentinel or an unset variable never enters a bottle.
 */
import { TerokError } from '../errors.ts';
import { JAVA_OPTIONS, trustEnvironment } from './trust-environment.ts';

/** A text with `${HOST_VAR}`, `${HOST_VAR:-default}` and `$$` for a dollar sign, or a secret that is asked for at the start. */
export type EnvironmentEntry = string | { readonly prompt: string };

export interface EnvironmentInputs {
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly interactive: boolean;
  /** Asks a person without echo; undefined or empty where nothing was answered */
  readonly prompt?: (question: string, name: string) => Promise<string | undefined>;
  /** Names that the agent of this bottle or terok sets, beside those that terok always owns */
  readonly ownedNames?: readonly string[];
}

export interface ResolvedEnvironment {
  readonly plain: Readonly<Record<string, string>>;
  /** Variable → what the user answered; kept out of records, command lines and logs */
  readonly secrets: ReadonlyMap<string, PromptedSecret>;
}

/** An answer that shows itself to nobody who does not ask for it. */
export class PromptedSecret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** Linux takes no longer `NAME=value` in `execve` (MAX_ARG_STRLEN, with the final NUL). */
const MAX_VARIABLE_BYTES = 128 * 1024 - 1;
const MAX_VARIABLES = 1000;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
/** Set by the bottle itself; another value would break the user, the shell or the trust of every command. */
const BOTTLE_NAMES = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'PWD', 'SSL_CERT_DIR'];
const OWNED_NAMES: ReadonlySet<string> = new Set([
  ...BOTTLE_NAMES,
  ...Object.keys(trustEnvironment({ ca: '', bundle: '', truststore: '' })).filter((name) => name !== JAVA_OPTIONS),
]);

/** Gives every entry its value, or throws INVALID_CONFIG, or SECRET_MISSING for a secret that nobody answered. */
export async function resolveEnvironment(
  entries: Readonly<Record<string, EnvironmentEntry>>,
  inputs: EnvironmentInputs,
): Promise<ResolvedEnvironment> {
  const names = Object.keys(entries);
  if (names.length > MAX_VARIABLES) throw invalid(`An environment has at most ${MAX_VARIABLES} variables; got ${names.length}.`);
  for (const name of names) assertUsableName(name, inputs.ownedNames ?? []);
  const plain: Record<string, string> = {};
  const secrets = new Map<string, PromptedSecret>();
  // Plain values first: nobody is asked for a secret when the task cannot start anyway
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry === 'string') plain[name] = assertUsableValue(name, expand(name, entry, inputs.hostEnv));
  }
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry !== 'string') secrets.set(name, new PromptedSecret(assertUsableValue(name, await ask(name, entry.prompt, inputs))));
  }
  return { plain, secrets };
}

/** True for a variable that terok sets in every bottle, so that no configuration may. */
export function isOwnedVariable(name: string): boolean {
  return OWNED_NAMES.has(name) || name.startsWith('TEROK_');
}

function assertUsableName(name: string, ownedNames: readonly string[]): void {
  if (!NAME.test(name)) {
    throw invalid(
      `The name of an environment variable is letters, digits and underscores and starts with no digit; got ${JSON.stringify(name.slice(0, 60))}.`,
    );
  }
  if (!isOwnedVariable(name) && !ownedNames.includes(name)) return;
  throw invalid(`The environment variable \`${name}\` is set by terok in every bottle and cannot be configured.`, {
    hint: 'Remove it from `env`; a credential belongs into `terok secret set`.',
  });
}

function assertUsableValue(name: string, value: string): string {
  if (value.includes('\0')) throw invalid(`The value of \`${name}\` holds a NUL byte, which no process can be given.`);
  const bytes = Buffer.byteLength(name) + 1 + Buffer.byteLength(value);
  if (bytes > MAX_VARIABLE_BYTES)
    throw invalid(`\`${name}\` has ${bytes} bytes with its value; Linux takes ${MAX_VARIABLE_BYTES} at most.`);
  return value;
}

function expand(name: string, text: string, hostEnv: EnvironmentInputs['hostEnv']): string {
  return text.replaceAll(/\$\$|\$\{([^}]*)(\})?/g, (whole, body: string | undefined, closed: string | undefined) => {
    if (whole === '$$') return '$';
    const reference = closed === undefined ? null : /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(body ?? '');
    if (reference === null) {
      throw invalid(
        `\`${name}\` refers to the host's environment as \`\${NAME}\` or \`\${NAME:-default}\`; got \`${whole.slice(0, 60)}\`.`,
        {
          hint: 'Write `$$` for a dollar sign.',
        },
      );
    }
    const [, source = '', fallback] = reference;
    const value = Object.hasOwn(hostEnv, source) ? hostEnv[source] : undefined;
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    throw invalid(`\`${name}\` takes its value from the environment variable \`${source}\` of this machine, which is not set.`, {
      hint: `Set \`${source}\`, or give a default: \`\${${source}:-…}\`.`,
    });
  });
}

async function ask(name: string, question: string, inputs: EnvironmentInputs): Promise<string> {
  const answer = inputs.interactive ? await inputs.prompt?.(question, name) : undefined;
  if (answer !== undefined && answer !== '') return answer;
  const reason = inputs.interactive ? 'was not answered' : 'cannot be asked for without a terminal';
  throw new TerokError('SECRET_MISSING', `The secret for the environment variable \`${name}\` ${reason}.`, {
    context: { name },
    hint: inputs.interactive
      ? 'Run the command again and answer the question.'
      : `Run it in a terminal, or set \`${name}\` to \`\${${name}}\` in \`env\`.`,
  });
}

function invalid(message: string, options: { readonly hint?: string } = {}): TerokError {
  return new TerokError('INVALID_CONFIG', message, options);
}
