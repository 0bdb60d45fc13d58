import path from 'node:path';
import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { printUpstream } from '../render/upstream.ts';

export async function execute(input: CommandInput<'git upstream'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const { action, url, dir } = input.arguments;
  const api = (await terok()).git;
  if (action === 'show') {
    // The one argument that `show` takes is the directory
    printUpstream(await api.upstream(path.resolve(cwd, dir ?? url ?? '.')), input.options.json, output);
    return 0;
  }
  if (url === undefined)
    throw new TerokError('USAGE', '`terok git upstream set` needs the address.', { hint: '`terok git upstream set URL`.' });
  printUpstream(await api.setUpstream(path.resolve(cwd, dir ?? '.'), { url, ...wishOf(input.options) }), input.options.json, output);
  return 0;
}

function wishOf({ hostKey, agent, secret, user, forge, forgeApi, forgeSecret }: CommandInput<'git upstream'>['options']) {
  return {
    ...(hostKey.length === 0 ? {} : { hostKeys: hostKey }),
    ...(agent ? { useAgent: true } : {}),
    ...(secret === undefined ? {} : { secret }),
    ...(user === undefined ? {} : { user }),
    ...(forge === undefined
      ? {}
      : {
          forge: {
            kind: forge === 'gitea' ? ('gitea' as const) : ('github' as const),
            api: required('--forge-api', forgeApi),
            secret: required('--forge-secret', forgeSecret),
          },
        }),
  };
}

function required(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new TerokError('USAGE', `\`--forge\` needs \`${name}\` as well.`);
}
