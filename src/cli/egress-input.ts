import path from 'node:path';
import { TerokError } from '../core/errors.ts';
import type { Terok } from '../tasks/api.ts';

type Target = Parameters<Terok['egress']['show']>[0];

/** A directory has a slash in it or is `.` or `..`; everything else is the name of a task. */
export function readTarget(text: string, cwd: string): Target {
  return text === '.' || text === '..' || text.includes('/') ? { directory: path.resolve(cwd, text) } : { task: text };
}

/** What `allow` and `deny` change. */
export function readScope(text: string, isProject: boolean, cwd: string): Target {
  if (isProject) return { directory: path.resolve(cwd, text) };
  const target = readTarget(text, cwd);
  if ('task' in target) return target;
  throw new TerokError('USAGE', `\`${text}\` is a directory; rules of a project need \`--project\`.`, {
    hint: `Name a task, or use \`--project ${text}\`.`,
  });
}

/** `name`, `*.suffix`, either with `:PORT`; whether it is a name is judged with the rule. */
export function readHost(text: string): { readonly host: string; readonly port?: number } {
  const [, host, digits] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (host !== undefined && (port === undefined || (port > 0 && port < 65_536))) return { host, ...(port === undefined ? {} : { port }) };
  throw new TerokError('USAGE', `A host is written \`name\` or \`name:port\`; got \`${text.slice(0, 200)}\`.`, {
    hint: 'For example `api.example.com` or `db.example.com:5432`. An IP address is never reached.',
  });
}

/** The command as it was given, for the history of the policy. */
export function reasonOf(argv: readonly string[]): string {
  return `terok ${argv.join(' ')}`.slice(0, 1_000);
}
