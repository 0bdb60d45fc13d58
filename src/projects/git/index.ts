export { type ApplyInputs, type ApplyResult, applyTask } from './apply-task.ts';
export { type BottleCommand, type CloneInputs, cloneCommands, type SalvageInputs, salvageCommand } from './clone-commands.ts';
export { type DiscardResult, discardTask, forgetImport, listTaskBranches, pruneDiscarded, type TaskBranch } from './discard-task.ts';
export { ensureGate, looseTip, taskRef, taskRepository } from './gate.ts';
export { type DirectoryImport, importDirectory } from './import-directory.ts';
export { type ImportedRepository, type ImportRequest, type ImportResult, importSource } from './import-source.ts';
export { type TaskChanges, type TaskCommit, type TaskFile, taskChanges, taskDiff } from './task-changes.ts';
