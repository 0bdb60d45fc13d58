export { git, gitText, resolveRevision } from '../../core/index.ts';
