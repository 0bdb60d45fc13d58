/** Placeholder → text. A placeholder without a value is left out together with the argument or JSON member that is nothing else. */
export type TemplateValues = Readonly<Record<string, string | undefined>>;

/** Member that stands for a token with its value as claims */
const JWT = '{jwt}';
const PLACEHOLDER = /\{([a-zA-Z]+)\}/g;

/** Fills placeholders of one text; unknown words in braces stay as they are. */
export function fillText(template: string, values: TemplateValues): string {
  return template.replace(PLACEHOLDER, (whole, name: string) => (name in values ? (values[name] ?? '') : whole));
}

/** Fills an argv: `lists` are spliced in, an argument that is one absent placeholder disappears. A value is never read as a template. */
export function fillArgv(
  template: readonly string[],
  lists: Readonly<Record<string, readonly string[]>>,
  values: TemplateValues,
): string[] {
  return template.flatMap((part) => {
    const name = wholePlaceholder(part);
    if (name !== undefined && name in lists) return [...(lists[name] ?? [])];
    if (name !== undefined && name in values && values[name] === undefined) return [];
    return [fillText(part, values)];
  });
}

/** Fills keys and texts of a JSON value; members that are one absent placeholder disappear, `{ "{jwt}": … }` becomes a token. */
export function fillJson(template: unknown, values: TemplateValues): unknown {
  if (typeof template === 'string') return fillText(template, values);
  if (Array.isArray(template)) return template.filter((item) => !isAbsent(item, values)).map((item) => fillJson(item, values));
  if (typeof template !== 'object' || template === null) return template;
  if (JWT in template) return unsignedJwt(fillJson(template[JWT], values));
  const members = Object.entries(template).filter(([key, value]) => !isAbsent(key, values) && !isAbsent(value, values));
  return Object.fromEntries(members.map(([key, value]) => [fillText(key, values), fillJson(value, values)]));
}

/** For an agent that reads claims of its own login and leaves checking the signature to servers. */
function unsignedJwt(claims: unknown): string {
  const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.none`;
}

function isAbsent(value: unknown, values: TemplateValues): boolean {
  const name = typeof value === 'string' ? wholePlaceholder(value) : undefined;
  return name !== undefined && name in values && values[name] === undefined;
}

function wholePlaceholder(text: string): string | undefined {
  return /^\{([a-zA-Z]+)\}$/.exec(text)?.[1];
}
