import { refOption } from '../../core/ref-option.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';
import { renderDiff } from '../render/diff.ts';
import { renderReview } from '../render/review.ts';
import { writeAll } from '../terminal/output.ts';

/** What is decided on comes first, the diff after it, and the digest again where the reader is when the diff ends. */
export async function execute(input: CommandInput<'review'>, { terok, output }: CommandContext): Promise<number> {
  const { reviews } = await terok();
  const { task } = input.arguments;
  const choice = input.options.ref === undefined ? {} : { ref: input.options.ref };
  const review = await reviews.open(task, choice);
  if (input.options.json) {
    output.printJson(review);
    return 0;
  }
  for (const line of renderReview(review, output)) output.print(line);
  if (input.options.summary) return 0;
  output.print('');
  for await (const part of renderDiff(await reviews.diff(task, choice), output)) {
    if (output.stdout.destroyed) return 0;
    await writeAll(output.stdout, part);
  }
  output.remark(`Take it with \`terok apply ${review.slug}${refOption(review.slug, review.ref)}\`; digest ${review.digest.slice(0, 16)}.`);
  return 0;
}
