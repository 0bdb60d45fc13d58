import type { TaskContext } from './context.ts';
import type { EgressApi } from './egress-api.ts';

/** The commands about egress judge with the code of the gateway, which starting a task has no use for: loaded with the first of them. */
export function lazyEgress(context: TaskContext, slugOf: (text: string) => Promise<string>): EgressApi {
  let loading: Promise<EgressApi> | undefined;
  const load = (): Promise<EgressApi> => {
    loading ??= import('./egress.ts').then(({ createEgressApi }) => createEgressApi(context, slugOf));
    return loading;
  };
  return {
    show: async (...args) => await (await load()).show(...args),
    versions: async (...args) => await (await load()).versions(...args),
    sets: async () => await (await load()).sets(),
    allow: async (...args) => await (await load()).allow(...args),
    deny: async (...args) => await (await load()).deny(...args),
    test: async (...args) => await (await load()).test(...args),
    log: async (...args) => await (await load()).log(...args),
    async *watch(...args) {
      yield* (await load()).watch(...args);
    },
    learn: async (...args) => await (await load()).learn(...args),
    adopt: async (...args) => await (await load()).adopt(...args),
    questions: async (...args) => await (await load()).questions(...args),
    answer: async (...args) => await (await load()).answer(...args),
    forgetAnswers: async (...args) => await (await load()).forgetAnswers(...args),
    resume: async (...args) => await (await load()).resume(...args),
    verifyAudit: async (...args) => await (await load()).verifyAudit(...args),
  };
}
