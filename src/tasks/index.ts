export type { ReEntry } from '../review/index.ts';
export type {
  AgentSummary,
  ApplyReport,
  BackendReport,
  ChangedFile,
  CommitSummary,
  ConfigReport,
  CopyRequest,
  DoctorFinding,
  ImageBuildRequest,
  ImageSummary,
  ProgressEvent,
  RunEvents,
  RunOutcome,
  RunRequest,
  TaskStatus,
  TaskSummary,
  Terok,
  TerokOptions,
} from './api.ts';
export type { PushReport, PushWish, ReviewChoice, ReviewReport, Reviews } from './reviews-api.ts';
export { createTerok } from './terok.ts';
