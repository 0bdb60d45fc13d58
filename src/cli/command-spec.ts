/** The shapes of which the command table is made, and the types that a command's input has because of them. */

interface OptionBase {
  readonly short?: string;
  readonly description: string;
}

export interface FlagOption extends OptionBase {
  readonly kind: 'flag';
}

export interface ValueOption extends OptionBase {
  /** `list` may be given several times */
  readonly kind: 'value' | 'list';
  readonly placeholder: string;
  readonly choices?: readonly string[];
  readonly completes?: Completion;
}

export type OptionSpec = FlagOption | ValueOption;

/** What a shell offers for a value. */
export type Completion = 'task' | 'directory' | 'file' | 'agent' | 'backend';

export interface ArgumentSpec {
  /** `rest` takes all that is left; a command gives it after `--` */
  readonly kind: 'required' | 'optional' | 'rest';
  readonly description: string;
  readonly choices?: readonly string[];
  readonly completes?: Completion;
}

export interface CommandSpec {
  readonly summary: string;
  /** More than the summary, one paragraph for each entry */
  readonly details?: readonly string[];
  /** Name → argument, in the order of the command line */
  readonly arguments: Readonly<Record<string, ArgumentSpec>>;
  /** Name in camel case → option; `allowUnenforced` is `--allow-unenforced` */
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples?: readonly (readonly [command: string, meaning: string])[];
}

type ArgumentValue<Spec extends ArgumentSpec> = Spec extends { kind: 'required' }
  ? string
  : Spec extends { kind: 'rest' }
    ? readonly string[]
    : string | undefined;

type OptionValue<Spec extends OptionSpec> = Spec extends { kind: 'flag' }
  ? boolean
  : Spec extends { kind: 'list' }
    ? readonly string[]
    : string | undefined;

/** What a command is given: one field for each argument and option of its table entry. */
export interface InputOf<Spec extends CommandSpec> {
  readonly arguments: { readonly [Name in keyof Spec['arguments']]: ArgumentValue<Spec['arguments'][Name]> };
  readonly options: { readonly [Name in keyof Spec['options']]: OptionValue<Spec['options'][Name]> };
}

/** `allowUnenforced` → `allow-unenforced` */
export function longName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
