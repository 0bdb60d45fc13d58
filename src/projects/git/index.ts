export { type ApplyInputs, type ApplyResult, applyTask, describeApply } from './apply-task.ts';
export { dropStep, type ReadTip, settleUses, type UsedApproval, unfinishedUses } from './approval-use.ts';
export { approve } from './approvals.ts';
export { type BottleCommand, type CloneInputs, cloneCommands, type SalvageInputs, salvageCommand } from './clone-commands.ts';
export { changesOfCommits, lfsPointersOf, readBlob, resolveTask } from './commit-changes.ts';
export {
  type Approval,
  type Decision,
  decisionLog,
  decisionLogs,
  hasUsedApproval,
  listDecisions,
  type Rejection,
  recordDecision,
  type UseStep,
  verifyDecisionLog,
} from './decisions.ts';
export {
  type DiscardResult,
  discardTask,
  forgetImport,
  listTaskBranches,
  pruneDiscarded,
  type TaskBranch,
  taskBranches,
} from './discard-task.ts';
export {
  ensureGate,
  ensureGateFor,
  looseTip,
  openScratchRepository,
  openTaskRepository,
  readSource,
  type SourceState,
  taskLfsDir,
  taskRef,
  taskRefs,
  taskRepository,
} from './gate.ts';
export { type DirectoryImport, importDirectory } from './import-directory.ts';
export { type ImportedRepository, type ImportRequest, type ImportResult, importSource } from './import-source.ts';
export { commitsWithTrees, ensureSigningKey, PROVENANCE_NOTES, type Statement, verifyProvenance, writeProvenance } from './provenance.ts';
export { clearMessage, type RejectRequest, rejectTask } from './reject-task.ts';
export { hostOfUrl, remoteHosts } from './remote-hosts.ts';
export { type Review, type ReviewRequest, type ReviewSubject, reviewTask } from './review-task.ts';
export { readVerdict, type ScanVerdict } from './scan-verdicts.ts';
export { type PendingChange, readSync, type SyncReport, type SyncState, syncUpstream, takePending } from './sync-upstream.ts';
export { applyApproved, readLocalTip, type TakeRequest, underApproval } from './take-task.ts';
export { type TaskChanges, type TaskCommit, type TaskFile, taskChanges, taskDiff } from './task-changes.ts';
export { type UpstreamAge, upstreamAge } from './upstream-age.ts';
