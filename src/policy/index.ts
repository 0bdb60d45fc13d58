export { blockLabel, type ComposedPolicy, composePolicy, type PolicySource } from './compose-policy.ts';
export { changeRules, listVersions, readRules } from './rule-store.ts';
export { type ExpandedSet, expandSet } from './sets/expand-sets.ts';
export { hostFiles } from './sets/host-files.ts';
export type { PolicyVersion, StoredRule } from './stored-rule.ts';
