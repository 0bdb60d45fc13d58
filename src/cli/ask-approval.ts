/*
 * Scope: a person's yes to a review, on a terminal. Out of scope: scripts, which name a digest.
 * Fail-safe direction: no terminal, no answer, or any answer but yes is no.
 */
import { TerokError } from '../core/errors.ts';
import { refOption } from '../core/ref-option.ts';
import type { Terok } from '../tasks/api.ts';
import type { ReviewReport } from '../tasks/reviews-api.ts';
import type { CommandContext } from './context.ts';
import { renderReview } from './render/review.ts';

export interface ApprovalQuestion {
  readonly terok: Terok;
  readonly task: string;
  readonly ref: string | undefined;
  /** What a yes does, for example `Take this into your repository?` */
  readonly question: string;
  readonly json: boolean;
}

/** The review's digest where the person agreed; undefined where an approval is there already, or nobody can be asked. Throws CANCELLED on a no. */
export async function askApproval(
  { terok, task, ref, question, json }: ApprovalQuestion,
  { output, stdin }: Pick<CommandContext, 'output' | 'stdin'>,
): Promise<string | undefined> {
  if (json || stdin.isTTY !== true || output.stderr.isTTY !== true) return undefined;
  const review = await terok.reviews.open(task, ref === undefined ? {} : { ref });
  if (review.approval !== undefined) return undefined;
  for (const line of renderReview(review, output)) output.print(line);
  if (await confirmOn(stdin, output.stderr, question)) return review.digest;
  throw new TerokError('CANCELLED', 'You did not agree; nothing was changed.', { hint: hintFor(review) });
}

/** A yes or no on the terminal; anything but yes is no. */
export async function confirmOn(input: NodeJS.ReadStream, output: NodeJS.WriteStream, message: string): Promise<boolean> {
  const { confirm, isCancel } = await import('@clack/prompts');
  const answer = await confirm({ message, initialValue: false, input, output });
  return !isCancel(answer) && answer === true;
}

function hintFor({ slug, ref }: ReviewReport): string {
  const named = `${slug}${refOption(slug, ref)}`;
  return `See the diff with \`terok review ${named}\`; tell the agent what is wrong with \`terok reject ${named} -m TEXT\`.`;
}
