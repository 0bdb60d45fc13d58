export { applyAgentPlan } from './apply-plan.ts';
export type { AgentCredential } from './credential-schema.ts';
export type { BottleFacts } from './instructions.ts';
export { findAgent, loadRoster, type Roster, type RosterEntry } from './load-roster.ts';
export { loginFromFile } from './login-file.ts';
export type { EndpointOverride } from './model-endpoint.ts';
export { mintAccessKeyId, mintPhantom } from './phantom.ts';
export { AGENT_HOME, type AgentPlan, type AgentRequest, type PlannedFile, type PlannedSecret, planAgent } from './plan-agent.ts';
export { type Agent, agentSchema } from './roster-schema.ts';
