import type { ArgumentSpec, FlagOption } from './command-spec.ts';

/** What many commands take. */
export const json = { kind: 'flag', description: 'Print one JSON document on standard output' } as const satisfies FlagOption;

export const task = {
  kind: 'required',
  completes: 'task',
  description: 'Name of the task, or an unambiguous beginning of it',
} as const satisfies ArgumentSpec;
