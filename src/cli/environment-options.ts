import { TerokError } from '../core/errors.ts';

/** `NAME=VALUE` as it is, `NAME` with its value here; throws USAGE where there is none. */
export function parseEnvironment(entries: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const pairs = entries.map((entry) => {
    const equals = entry.indexOf('=');
    const name = equals === -1 ? entry : entry.slice(0, equals);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new TerokError('USAGE', `\`--env\` takes NAME=VALUE or NAME; \`${name}\` is not the name of a variable.`);
    const value = equals === -1 ? env[name] : entry.slice(equals + 1);
    if (value === undefined) {
      throw new TerokError('USAGE', `\`--env ${name}\` takes the value from here, but \`${name}\` is not set.`, {
        hint: `Set it, or give \`--env ${name}=VALUE\`.`,
      });
    }
    return [name, value] as const;
  });
  return Object.fromEntries(pairs);
}
