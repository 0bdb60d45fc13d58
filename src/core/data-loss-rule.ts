/**
 * What happens to a request that carries what must not leave: `block` refuses it, `redact` sends it with `*` in the place of the value,
 * `ask` holds it until a person answers, `log` records it.
 */
export type DataLossAction = 'block' | 'redact' | 'ask' | 'log';

export const DATA_LOSS_ACTIONS = ['block', 'redact', 'ask', 'log'] as const satisfies readonly DataLossAction[];

/** The data-loss rule of one inspected route. */
export interface DataLossRule {
  /** Exact values of stored secrets in the common encodings; `block` where absent */
  readonly secrets?: DataLossAction;
  /** What detectors take for a credential of some known kind; not looked for where absent */
  readonly detectors?: DataLossAction;
}
