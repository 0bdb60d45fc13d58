import type { UpstreamView } from '../../tasks/api.ts';
import { escapeText } from '../escape.ts';
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
