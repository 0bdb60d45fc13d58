import type nodeHttp from 'node:http';

/**
 * `node:http` without its client for `fetch`: an `import` of the module would load that too, because it lists every export, and cost a
 * process that never fetches 16 MiB.
 */
export const http: typeof nodeHttp = process.getBuiltinModule('node:http');
