import { renderUntrusted } from './render-untrusted.ts';

/** What follows the name of a task in a command that means this branch of it: nothing for its main one. Names are of a bottle's making. */
export function refOption(slug: string, ref: string): string {
  const branch = ref.replace(/^refs\/heads\//, '');
  if (branch === `terok/${slug}`) return '';
  const shown = renderUntrusted(branch);
  return ` --ref ${/^[\w./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`}`;
}
