import { isTerokError, TerokError } from '../../../core/errors.ts';

/** A push above a cap of the gate: the one failure of a scan whose reason is for the one who pushed. `what`: `the push brings …`. */
export function limitError(what: string, hint: string): TerokError {
  return new TerokError('REFUSED', `the push brings ${what}, which is above the limit of the gate`, { hint, context: { pushLimit: true } });
}

export function isLimitError(error: unknown): error is TerokError {
  return isTerokError(error) && error.context['pushLimit'] === true;
}
