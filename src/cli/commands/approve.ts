import { TerokError } from '../../core/errors.ts';
import { refOption } from '../../core/ref-option.ts';
import { askApproval } from '../ask-approval.ts';
import type { CommandInput } from '../command-table.ts';
import type { CommandContext } from '../context.ts';

export async function execute(input: CommandInput<'approve'>, context: CommandContext): Promise<number> {
  const api = await context.terok();
  const { task } = input.arguments;
  const { ref, review: given, json } = input.options;
  const digest = given ?? (await askApproval({ terok: api, task, ref, question: 'Approve this?', json }, context));
  if (digest === undefined) return await repeatOrRefuse(input, context);
  const approval = await api.reviews.approve(task, digest, ref === undefined ? {} : { ref });
  if (json) context.output.printJson(approval);
  else context.output.remark(`Approved ${approval.new.slice(0, 12)} for one \`apply\` or \`push\`, until ${approval.expiresAt}.`);
  return 0;
}

/** Nobody was asked: because it is approved already, or because nobody can be. */
async function repeatOrRefuse(
  { arguments: { task }, options }: CommandInput<'approve'>,
  { terok, output }: CommandContext,
): Promise<number> {
  const review = await (await terok()).reviews.open(task, options.ref === undefined ? {} : { ref: options.ref });
  if (review.approval === undefined) {
    throw new TerokError('USAGE', 'Without a terminal, `terok approve` needs the digest of the review: `--review DIGEST`.', {
      hint: `\`terok review ${review.slug}${refOption(review.slug, review.ref)}\` prints it.`,
    });
  }
  if (options.json) output.printJson(review.approval);
  else output.remark(`It is approved already, until ${review.approval.expiresAt}.`);
  return 0;
}
