export { createKrunBackend, type KrunBackendOptions } from './krun-backend.ts';
