export { applyAgentPlan } from './apply-plan.ts';
export type { BottleFacts } from './instructions.ts';
export { findAgent, loadRoster, type Roster, type RosterEntry } from './load-roster.ts';
export type { EndpointOverride } from './model-endpoint.ts';
export { mintAccessKeyId, mintPhantom } from './phantom.ts';
export { AGENT_HOME, type AgentPlan, type AgentRequest, type PlannedFile, type PlannedSecret, planAgent } from './plan-agent.ts';
export { type Agent, type AgentCredential, agentSchema } from './roster-schema.ts';
