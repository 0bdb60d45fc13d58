import type { ForwardPlan } from './exchange.ts';
import { formStage } from './form-override.ts';
import { Scrubber } from './scrub.ts';
import { type BodyStage, MeterStage, type ResponseStage } from './stages.ts';

/** The stages of one exchange, each made for it alone. */
export interface Stages {
  readonly request: readonly BodyStage[];
  readonly response: readonly ResponseStage[];
}

/** What looks at the bodies of this exchange; the place where further stages are added. */
export function createStages(plan: ForwardPlan): Stages {
  const { meter, scrub } = plan;
  const form = formStage(plan);
  return {
    request: [...(meter === undefined ? [] : [new MeterStage(meter.up)]), ...(form === undefined ? [] : [form])],
    response: [...(meter === undefined ? [] : [new MeterStage(meter.down)]), ...(scrub === undefined ? [] : [new Scrubber(scrub)])],
  };
}
