/*
 * Scope: does the head of a request ask the server to take it for one of another method?
 * Out of scope: a `_method` in a form, see `form-override.ts`. Fail-safe direction: what may be read as such a request is one.
 */
import type { HeaderList } from './headers.ts';
import { parameterName, parametersOf } from './query-parameters.ts';

const FIELDS = new Set(['x-http-method', 'x-http-method-override', 'x-method-override']);

/** Some servers also take `;` between parameters, and `_` for `-` in the name of a field. */
export function overridesMethod({ target, headers = [] }: { readonly target: string; readonly headers?: HeaderList | undefined }): boolean {
  return (
    headers.some(([field]) => FIELDS.has(field.replaceAll('_', '-'))) ||
    parametersOf(target)
      .flatMap((pair) => pair.split(';'))
      .some((pair) => parameterName(pair) === '_method')
  );
}
