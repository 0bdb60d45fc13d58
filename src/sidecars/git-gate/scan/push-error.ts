import { isTerokError, TerokError } from '../../../core/errors.ts';

/** A push that is refused before it was looked at to its end, for a reason that is for the one who pushed. */
export function pushError(message: string, hint: string): TerokError {
  return new TerokError('REFUSED', message, { hint, context: { pushError: true } });
}

/** A push above a cap of the gate. `what`: `the push brings …`. */
export function limitError(what: string, hint: string): TerokError {
  return pushError(`the push brings ${what}, which is above the limit of the gate`, hint);
}

export function isPushError(error: unknown): error is TerokError {
  return isTerokError(error) && error.context['pushError'] === true;
}
