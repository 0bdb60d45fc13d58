/** What a person decides about data that a bottle wanted to send. */
import { bottleDirs, TerokError } from '../core/index.ts';
import {
  answerNetworkQuestion,
  forgetNetworkAnswers,
  type NetworkDirs,
  networkCanaryMark,
  networkCanaryProblem,
  networkQuestions,
  resumeNetwork,
} from '../sidecars/gateway/index.ts';
import { resumeBottle } from './bottle-life.ts';
import type { TaskContext } from './context.ts';
import type { EgressAnswer, EgressQuestion } from './egress-api.ts';

export async function listQuestions(context: TaskContext, slug: string): Promise<readonly EgressQuestion[]> {
  return await networkQuestions(bottleDirs(context.paths, slug));
}

/** Throws NOT_FOUND where no such question waits (any more). */
export async function answerQuestion(context: TaskContext, slug: string, id: string, answer: EgressAnswer): Promise<void> {
  if (await answerNetworkQuestion(bottleDirs(context.paths, slug), id, answer)) return;
  throw new TerokError('NOT_FOUND', `No request of \`${slug}\` waits under \`${id}\`.`, {
    hint: `A request is refused when nobody answers in time. List those that wait with \`terok egress questions ${slug}\`.`,
  });
}

/** From here on, what was allowed to leave is asked about again. */
export async function forgetAnswers(context: TaskContext, slug: string): Promise<void> {
  await forgetNetworkAnswers(bottleDirs(context.paths, slug));
}

/** Lets a bottle that sent its canary, or that is paused, go on. Throws WRONG_STATE where it is neither. */
export async function resumeEgress(context: TaskContext, slug: string): Promise<void> {
  const dirs = bottleDirs(context.paths, slug);
  const mark = await networkCanaryMark(dirs);
  if (mark !== undefined) await resumeNetwork(dirs);
  if (await resumeBottle(context, slug)) return;
  if (mark === undefined)
    throw new TerokError('WRONG_STATE', `The egress of \`${slug}\` is not stopped.`, { hint: `\`terok status ${slug}\` says how it is.` });
}

/** What is known of a bottle that sent its canary; nothing of any other. */
export async function canaryNotes(dirs: NetworkDirs, slug: string): Promise<readonly string[]> {
  const mark = await networkCanaryMark(dirs);
  if (mark === undefined) return [];
  const problem = await networkCanaryProblem(dirs);
  return [
    `Nothing leaves this bottle since ${mark.at}: it sent its canary to \`${mark.host}\`${mark.rule === undefined ? ', as a name' : `, by the rule \`${mark.rule}\``}. Look at \`terok egress log ${slug}\`; \`terok egress resume ${slug}\` lets it go on.`,
    ...(problem === undefined
      ? []
      : [`It could not be paused, so its programs may run on: ${problem} It is tried again; \`terok stop ${slug}\` ends them.`]),
  ];
}

/** What `status` says about it. */
export async function dataLossNotes(context: TaskContext, slug: string): Promise<readonly string[]> {
  const dirs = bottleDirs(context.paths, slug);
  const questions = await networkQuestions(dirs);
  return [
    ...(await canaryNotes(dirs, slug)),
    ...questions.map(
      ({ id, method, host, found }) =>
        `A request (${method} to \`${host}\`) carries ${found} and waits: \`terok egress answer ${slug} ${id} yes\` or \`no\`.`,
    ),
  ];
}
