import { mintAccessKeyId, mintPhantom } from '../agents/index.ts';
import { TerokError } from '../core/index.ts';
import { type ConfiguredRoute, isOwnedVariable } from '../core/resolve/index.ts';

export interface RouteCredentials {
  /** Routes with a phantom where they inject */
  readonly routes: readonly Omit<ConfiguredRoute, 'inject'>[];
  /** Variable of the bottle → phantom */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Gives every stored secret that the user's own routes inject a worthless token for this bottle alone. Routes that name one secret
 * and one variable share the token. Throws INVALID_CONFIG where a variable has another meaning already.
 *
 * @param taken variables of the agent
 */
export function mintRouteCredentials(routes: readonly ConfiguredRoute[], taken: readonly string[]): RouteCredentials {
  const secrets = new Map<string, string>();
  const env: Record<string, string> = {};
  const minted = routes.map((route) => {
    if (route.inject === undefined) return route;
    const { env: variable, ...inject } = route.inject;
    if (isOwnedVariable(variable) || taken.includes(variable)) throw unusable(route, variable, 'has another value in this bottle');
    if ((secrets.get(variable) ?? inject.secret) !== inject.secret)
      throw unusable(route, variable, `stands for the secret \`${secrets.get(variable)}\` in another route`);
    secrets.set(variable, inject.secret);
    // Clients for AWS want a pair of keys; what the second one signs is signed anew
    if (inject.awsSigV4 === true && variable === 'AWS_ACCESS_KEY_ID') env.AWS_SECRET_ACCESS_KEY ??= mintPhantom('');
    env[variable] ??= inject.awsSigV4 === true ? mintAccessKeyId() : mintPhantom('');
    return { ...route, inject: { ...inject, phantom: env[variable] } };
  });
  return { routes: minted, env };
}

function unusable({ name }: ConfiguredRoute, variable: string, why: string): TerokError {
  return new TerokError('INVALID_CONFIG', `The route \`${name}\` puts its token into the variable \`${variable}\`, which ${why}.`, {
    hint: 'Name another variable in `inject.env` of the route.',
  });
}
