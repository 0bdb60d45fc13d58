export { identifyProject, type Project } from './project.ts';
