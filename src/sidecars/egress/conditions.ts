/*
 * Scope: conditions of a route on query and headers. Out of scope: bodies. Fail-safe direction: a field that stands twice, or whose name
 * a server may read differently, does not meet a condition.
 */
import type { Condition } from '../../core/egress-policy.ts';
import type { HeaderList } from './headers.ts';

type Fields = readonly (readonly [name: string, value: string])[];

/** Judges the query of a request target; a query that does not decode meets no condition. */
export function queryMeets(conditions: readonly Condition[], target: string): boolean {
  const at = target.indexOf('?');
  const fields = at === -1 ? [] : parseQuery(target.slice(at + 1));
  return fields !== undefined && conditions.every((condition) => meets(condition, fields, sameParameter));
}

/** Judges headers by lower-case name. */
export function headersMeet(conditions: readonly Condition[], headers: HeaderList): boolean {
  return conditions.every((condition) => meets(condition, headers, (name, wanted) => name === wanted));
}

function meets({ name, values }: Condition, fields: Fields, isSame: (name: string, wanted: string) => boolean): boolean {
  const found = fields.filter(([each]) => isSame(each, name));
  if (values === undefined) return found.length === 0;
  const [only, ...more] = found;
  return only !== undefined && more.length === 0 && only[0] === name && values.includes(only[1]);
}

/** Servers take `ORG`, `org[]` and `org.x` for `org` here and there: whatever looks like the name counts as it. */
function sameParameter(name: string, wanted: string): boolean {
  const bare = (text: string): string => text.toLowerCase().replace(/[[\]\s\0]/g, '');
  return bare(name) === bare(wanted) || bare(name.split('[', 1)[0] ?? '') === bare(wanted);
}

/** Undefined where a part does not decode, or where some servers would split at another place (`;`). */
function parseQuery(query: string): Fields | undefined {
  if (query.includes(';')) return undefined;
  try {
    return query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const at = pair.indexOf('=');
        return [decode(at === -1 ? pair : pair.slice(0, at)), at === -1 ? '' : decode(pair.slice(at + 1))] as const;
      });
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
