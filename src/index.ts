/** terok as a library: everything that the command line does, and the contract for backends of one's own. */
export {
  type Bottle,
  type BottleBackend,
  type BottleProcess,
  type BottleSpec,
  type ErrorCode,
  type ExecResult,
  type ExitStatus,
  isTerokError,
  type ResourceLimits,
  type Route,
  TerokError,
} from './core/index.ts';
export {
  createTerok,
  type RunEvents,
  type RunOutcome,
  type RunRequest,
  type TaskStatus,
  type TaskSummary,
  type Terok,
  type TerokOptions,
} from './tasks/index.ts';
