import path from 'node:path';
import { TerokError } from '../../core/errors.ts';
import type { CopyRequest } from '../../tasks/api.ts';
import { confirmOn } from '../ask-approval.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { escapeText } from '../escape.ts';
import { formatBytes } from '../quantities.ts';
import { Interruption } from '../terminal/interruption.ts';

export async function execute(input: CommandInput<'cp'>, { terok, output, cwd, stdin }: CommandContext): Promise<number> {
  const request = withQuestion(toRequest(input.arguments, cwd), input.options, { output, stdin });
  using interruption = new Interruption({ say: (text) => output.remark(text) });
  const report = await (await terok()).copy({ ...request, signal: interruption.signal });
  if (input.options.json) {
    output.printJson(report);
    return 0;
  }
  for (const { path: refused, reason } of report.refused) output.remark(`not copied: ${escapeText(refused)}: ${escapeText(reason)}`);
  output.remark(`Copied ${report.files} files, ${formatBytes(report.bytes)}.`);
  return 0;
}

/** How files that run are let in: by path, or by a person who sees the list. */
function withQuestion(
  request: CopyRequest,
  { accept, json }: CommandInput<'cp'>['options'],
  { output, stdin }: Pick<CommandContext, 'output' | 'stdin'>,
): CopyRequest {
  if (request.direction === 'in') return request;
  const isNamed = (file: string): boolean => {
    const relative = path.relative(request.hostPath, file);
    return accept.some((named) => named === '.' || relative === path.normalize(named) || relative.startsWith(`${path.normalize(named)}/`));
  };
  return {
    ...request,
    accept: async (files) => {
      const open = files.filter((file) => !isNamed(file.path));
      if (open.length === 0) return true;
      if (json || stdin.isTTY !== true || output.stderr.isTTY !== true) return false;
      output.remark('These files would run on this machine:');
      for (const { shown, runs, why } of open.slice(0, MAX_LISTED)) output.remark(`  ${escapeText(shown)}: ${runs}: ${why}`);
      if (open.length > MAX_LISTED) output.remark(`  … and ${open.length - MAX_LISTED} more`);
      return await confirmOn(stdin, output.stderr, 'Copy them out?');
    },
  };
}

/** More than a person reads on a terminal */
const MAX_LISTED = 60;

type Place = { readonly kind: 'host'; readonly path: string } | { readonly kind: 'bottle'; readonly slug: string; readonly path: string };

/** `TASK:/path` is in a bottle; a path of the host that looks so is written with `./` before it. */
function toPlace(text: string, cwd: string): Place {
  const match = /^([a-z][a-z0-9-]*):(\/.*)$/s.exec(text);
  const [, slug, inside] = match ?? [];
  return slug === undefined || inside === undefined
    ? { kind: 'host', path: path.resolve(cwd, text) }
    : { kind: 'bottle', slug, path: inside };
}

function toRequest(places: { readonly source: string; readonly target: string }, cwd: string): CopyRequest {
  const [source, target] = [toPlace(places.source, cwd), toPlace(places.target, cwd)];
  if (source.kind === 'host' && target.kind === 'bottle')
    return { direction: 'in', slug: target.slug, hostPath: source.path, bottlePath: target.path };
  if (source.kind === 'bottle' && target.kind === 'host')
    return { direction: 'out', slug: source.slug, bottlePath: source.path, hostPath: target.path };
  throw new TerokError('USAGE', 'One of SOURCE and TARGET is a path in a bottle, `TASK:/path`, and the other is a path here.', {
    context: { source: places.source, target: places.target },
    hint: 'See `terok cp --help`.',
  });
}
