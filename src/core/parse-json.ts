/** The value of a JSON text; undefined where it is none. The error of `JSON.parse` quotes the text, which may hold secrets, so it goes nowhere. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
