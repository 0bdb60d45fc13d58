import path from 'node:path';
import { TerokError } from '../../core/errors.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { printUpstream } from '../render/upstream.ts';

export async function execute(input: CommandInput<'git upstream set'>, { terok, output, cwd }: CommandContext): Promise<number> {
  const { url, dir } = input.arguments;
  const { hostKey, agent, secret, user, forge, forgeApi, forgeSecret, json } = input.options;
  const view = await (await terok()).git.setUpstream(path.resolve(cwd, dir ?? '.'), {
    url,
    ...(hostKey.length === 0 ? {} : { hostKeys: hostKey }),
    ...(agent ? { useAgent: true } : {}),
    ...(secret === undefined ? {} : { secret }),
    ...(user === undefined ? {} : { user }),
    ...(forge === undefined
      ? {}
      : {
          forge: {
            kind: forge === 'gitea' ? 'gitea' : 'github',
            api: required('--forge-api', forgeApi),
            secret: required('--forge-secret', forgeSecret),
          },
        }),
  });
  printUpstream(view, json, output);
  return 0;
}

function required(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new TerokError('USAGE', `\`--forge\` needs \`${name}\` as well.`);
}
