export { digestOfProof } from './control-proof.ts';
export type { GatewayStatus } from './gateway.ts';
export { type GatePlan, type GatewayPlan, SEALED, type TargetsPlan } from './gateway-plan.ts';
export type { NetworkDirs } from './network-files.ts';
export {
  answerNetworkQuestion,
  forgetNetworkAnswers,
  networkCanaryMark,
  networkCanaryProblem,
  networkQuestions,
  recordCanaryPaused,
  recordCanaryProblem,
  resumeNetwork,
  type SealedNetworkStatus,
  sealedNetworkStatus,
  setNetworkPolicy,
} from './network-status.ts';
export { openPublishedPorts } from './published-ports.ts';
export {
  closeSealedNetwork,
  type OpenNetworkOptions,
  openNamespace,
  openSealedNetwork,
  type ReopenedNetwork,
  reopenSealedNetwork,
} from './sealed-network.ts';
