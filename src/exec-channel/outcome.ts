import { TerokError } from '../core/index.ts';
import type { Mark } from './marks.ts';

/** The error for a command that did not start; undefined where it did. */
export function startError(mark: Mark, file: string, cwd: string | undefined): TerokError | undefined {
  switch (mark.kind) {
    case 'started':
      return undefined;
    case 'cwd':
      return new TerokError('NOT_FOUND', `The working directory \`${cwd}\` does not exist in the bottle, or the user may not enter it.`, {
        context: { kind: 'cwd', cwd },
      });
    case 'missing':
      return commandError(file, 127);
    case 'notExecutable':
      return commandError(file, 126);
    case 'failed':
      return commandError(file, mark.value === 126 ? 126 : 127);
    default:
      return mark.kind satisfies never;
  }
}

function commandError(file: string, exitCode: 126 | 127): TerokError {
  const how = exitCode === 126 ? 'cannot be executed' : 'was not found';
  return new TerokError('NOT_FOUND', `The command \`${file}\` ${how} in the bottle.`, {
    context: { kind: 'command', file, exitCode },
    hint: 'Install it in the image of the project, or give its absolute path.',
  });
}
