// Bundles src/ and the packages that it uses into the directory of its argument. A start reads a few files where it would look for
// hundreds of modules; what a command seldom needs stays in bundles of its own, loaded when it is used.
import { globSync } from 'node:fs';
import path from 'node:path';
import { build } from 'rolldown';

const ROOT = path.join(import.meta.dirname, '..');
const target = process.argv[2];

/**
 * `import` of one of Node's own modules reads each of its exports, and some are getters that load a whole client for the web: 25 ms for
 * `http`. The same module by `getBuiltinModule` is read only where it is used.
 */
const readBuiltinsLazily = {
  name: 'read-builtins-lazily',
  resolveId: { filter: { id: /^node:(?:crypto|http|http2|https)$/ }, handler: (id) => ({ id: `\0${id}`, moduleSideEffects: false }) },
  load: {
    filter: { id: /^\0node:/ },
    handler: (id) => ({ code: `module.exports = process.getBuiltinModule('${id.slice(1)}');`, moduleType: 'js' }),
  },
};

/**
 * zod makes a program of each schema at its first use, which pays after hundreds of values: a command checks a few with each. What it
 * does is settled when a schema is made, so before any module of terok could say so.
 */
let interpreted = false;
const interpretSchemas = {
  name: 'interpret-schemas',
  transform: {
    filter: { id: /\/zod\/v4\/core\/core\.js$/ },
    handler: (code) => {
      interpreted = true;
      return { code: `${code}\nglobalConfig.jitless = true;`, map: null };
    },
  },
  buildEnd: () => {
    if (!interpreted) throw new Error('zod keeps its configuration elsewhere: name the file in `interpret-schemas`');
  },
};

// What several programs have in common would be a file for each way to have it in common, and each file costs a start a millisecond: the
// two that a task waits for are made without the others.
const PROGRAMS = [
  { cli: 'src/cli/main.ts', index: 'src/index.ts' },
  { gateway: 'src/sidecars/gateway/main.ts' },
  {
    'listener-helper': 'src/sidecars/gateway/listener-helper.ts',
    'scan-push': 'src/sidecars/git-gate/scan/main.ts',
    'refresh-token': 'src/vault/refresh-main.ts',
    'forward-push': 'src/tasks/forward-main.ts',
    'pause-bottle': 'src/tasks/pause-main.ts',
    // measured by themselves in `bench/`
    egress: 'src/sidecars/egress/index.ts',
    'collect-when-idle': 'src/sidecars/gateway/collect-when-idle.ts',
    'sealed-network': 'src/sidecars/gateway/index.ts',
  },
];

for (const input of PROGRAMS) {
  await build({
    cwd: ROOT,
    input,
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    // CommonJS packages ask for it
    transform: { define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } },
    plugins: [readBuiltinsLazily, interpretSchemas],
    // a module of terok does nothing when it is imported: what a program does not use of it is left out
    treeshake: { moduleSideEffects: [{ test: /\/src\//, sideEffects: false }] },
    // large and seldom used, or native code that is tried and may be missing: taken from node_modules
    external: ['dockerode', 'cpu-features', /\.node$/],
    output: {
      dir: target,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      sourcemap: true,
      minify: { compress: false, mangle: false },
      // otherwise parts of it come to lie in the file of a gateway, which a command has no use for
      codeSplitting: {
        includeDependenciesRecursively: false,
        groups: [
          // what `core` needs: in the file of somebody who needs `core`, the two would wait for each other
          { name: 'builtins', test: /^\0node:/ },
          { name: 'lock', test: /\/node_modules\/(?:proper-lockfile|graceful-fs|retry|signal-exit)\// },
          // schemas are made when their module is loaded: a gateway needs none of these, and most commands no configuration
          { name: 'schemas', test: /\/src\/core\/(?:resolve\/|process-identity-schema|runtime-|config\/(?!schema))/ },
          { name: 'core', test: /\/src\/core\/(?!own-file|config\/schema)/ },
        ],
      },
    },
  });
}

// They are copied into bottles, where nothing but Node is
await build({
  cwd: ROOT,
  input: globSync('src/redteam/programs/*.ts', { cwd: ROOT }),
  platform: 'node',
  output: { dir: path.join(target, 'attacks'), format: 'esm', entryFileNames: '[name].mjs' },
});
