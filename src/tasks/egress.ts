import type { TaskContext } from './context.ts';
import { answerQuestion, forgetAnswers, listQuestions, resumeEgress } from './data-loss.ts';
import type { EgressApi, EgressTargetRef } from './egress-api.ts';
import { grant, grantRoutes, refuse } from './egress-changes.ts';
import { propose } from './egress-learn.ts';
import { followDecisions, readDecisions } from './egress-log.ts';
import { taskPolicy } from './egress-policy.ts';
import { auditFile, type EgressScope, egressScope } from './egress-scope.ts';
import { describePolicy, describeSets, describeVersions, testRequest } from './egress-views.ts';
import { verifyAll, verifyFile, verifyTask } from './verify-audit.ts';

/** Decisions that `learn` looks at; a task that was refused more often has told all that matters. */
const LEARN_LIMIT = 20_000;

/** @param slugOf the whole name of a task for its beginning; throws NOT_FOUND */
export function createEgressApi(context: TaskContext, slugOf: (text: string) => Promise<string>): EgressApi {
  const scopeOf = async (target: EgressTargetRef): Promise<EgressScope> => await egressScope(context, target, slugOf);
  return {
    show: async (target) => await describePolicy(context, await scopeOf(target)),
    versions: async (target) => await describeVersions(context, await scopeOf(target)),
    sets: async () => await describeSets(context),
    allow: async ({ target, ...request }) => await grant(context, await scopeOf(target), request),
    deny: async ({ target, ...request }) => await refuse(context, await scopeOf(target), request),
    test: async (target, request) => await testRequest(context, await scopeOf(target), request),
    log: async (text, options) => {
      const slug = await slugOf(text);
      return await readDecisions(auditFile(context, slug), slug, options);
    },
    watch: (text, { signal }) => watchTask(context, slugOf, text, signal),
    learn: async (text) => {
      const slug = await slugOf(text);
      const entries = await readDecisions(auditFile(context, slug), slug, { limit: LEARN_LIMIT, deniedOnly: true });
      return await propose(slug, entries, await taskPolicy(context, slug));
    },
    adopt: async (text, routes, reason) => await grantRoutes(context, await scopeOf({ task: text }), routes, reason),
    questions: async (text) => await listQuestions(context, await slugOf(text)),
    answer: async (text, id, answer) => await answerQuestion(context, await slugOf(text), id, answer),
    forgetAnswers: async (text) => await forgetAnswers(context, await slugOf(text)),
    resume: async (text) => await resumeEgress(context, await slugOf(text)),
    verifyAudit: async (target) => {
      if (target !== undefined && 'file' in target) return [await verifyFile(target.file)];
      return target === undefined ? await verifyAll(context) : await verifyTask(context, await slugOf(target.task));
    },
  };
}

async function* watchTask(
  context: TaskContext,
  slugOf: (text: string) => Promise<string>,
  text: string,
  signal: AbortSignal,
): ReturnType<typeof followDecisions> {
  const slug = await slugOf(text);
  yield* followDecisions(auditFile(context, slug), slug, signal);
}
