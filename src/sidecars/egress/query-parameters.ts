/** The query of a request target, as servers read it. */

/** `name=value` pairs of a query as they are written. */
export function parametersOf(target: string): readonly string[] {
  const at = target.indexOf('?');
  return at === -1 ? [] : target.slice(at + 1).split('&');
}

/** The lower-case name of a `name=value` pair. */
export function parameterName(pair: string): string {
  return decodeText(pair.split('=', 1)[0] ?? '').toLowerCase();
}

export function parameterValue(pair: string): string {
  const at = pair.indexOf('=');
  return at === -1 ? '' : decodeText(pair.slice(at + 1));
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
