import type { UpstreamAge, UpstreamView } from '../../tasks/api.ts';
import { escapeText } from '../escape.ts';
import { formatAge } from '../quantities.ts';
import type { Output } from '../terminal/output.ts';

/** The upstream of a project, for a person or a program. */
export function printUpstream(view: UpstreamView, json: boolean, output: Output): void {
  if (json) return output.printJson(view);
  const credential =
    view.kind === 'https'
      ? view.secret === undefined
        ? 'none'
        : `the secret ${view.secret}`
      : view.useAgent
        ? 'your SSH agent'
        : 'the deploy key of the project (`terok git key`)';
  const rows = [
    ['project', view.project],
    ['upstream', view.url],
    ['class', view.class],
    ['credential', credential],
    ...view.hostKeys.map((key) => ['host key', key]),
    ...(view.forge === undefined ? [] : [['forge', `${view.forge.kind} at ${view.forge.api}, with the secret ${view.forge.secret}`]]),
    ['last sync', view.lastSync ?? 'never'],
  ];
  for (const [name = '', value = ''] of rows) output.print(`${name.padEnd(11)} ${escapeText(value)}`);
}

/** How far one task is from the upstream, with what to do where that is not known well. */
export function describeAge({ lastSync, stale, branch, behind }: UpstreamAge): string {
  if (lastSync === undefined) return 'never asked: run `terok git sync`';
  const asked = `asked ${formatAge(lastSync)}${stale ? ', so run `terok git sync`' : ''}`;
  if (branch === undefined) return `without a branch that this work could be compared with; ${asked}`;
  if (behind === undefined) return `${branch}, how far ahead of this work is not known; ${asked}`;
  const distance = behind === 0 ? `up to date with ${branch}` : `${behind} ${behind === 1 ? 'commit' : 'commits'} behind ${branch}`;
  return `${distance}; ${asked}`;
}

/** The same in a column of a table. */
export function shortAge({ lastSync, stale, behind }: UpstreamAge): string {
  if (lastSync === undefined) return 'never asked';
  const asked = stale ? [`asked ${formatAge(lastSync)}`] : [];
  return [...(behind === undefined ? [] : [behind === 0 ? 'up to date' : `${behind} behind`]), ...asked].join(', ') || '-';
}
