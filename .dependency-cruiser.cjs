// The layers of docs/architecture.md. Arrows point inwards: cli → redteam → tasks → everything below → core.
const LAYERS = [
  'backends',
  'sidecars',
  'exec-channel',
  'vault',
  'agents',
  'images',
  'policy',
  'review',
  'projects',
  'tasks',
  'redteam',
  'cli',
];

/** What each layer may import beside itself and core. */
const MAY_IMPORT = {
  backends: ['exec-channel'],
  sidecars: ['vault', 'review', 'exec-channel'],
  'exec-channel': [],
  vault: [],
  agents: [],
  images: [],
  policy: ['images'],
  review: [],
  upstream: ['vault'],
  projects: ['agents', 'images', 'vault', 'review', 'upstream'],
  tasks: ['backends', 'sidecars', 'exec-channel', 'vault', 'agents', 'images', 'policy', 'review', 'projects'],
  redteam: ['tasks', 'review'],
  cli: ['tasks', 'redteam'],
};

const layerRules = LAYERS.map((layer) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} imports core and: ${MAY_IMPORT[layer].join(', ') || 'nothing else'}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^src/(${LAYERS.filter((other) => other !== layer && !MAY_IMPORT[layer].includes(other)).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'core-imports-core-alone',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'through-the-index',
      comment: 'A folder is used through its index.ts.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '^src/(cli|sidecars|vault)/' },
      to: { path: '^src/([^/]+)/', pathNot: ['^src/$1/', '/index\\.js$'] },
    },
    {
      name: 'through-the-index-but-for-light-modules',
      comment:
        'As above; the start of the CLI and the memory of a gateway allow single files of core, and src/tasks/api.ts and reviews-api.ts are types alone.',
      severity: 'error',
      from: { path: '^src/(cli|sidecars|vault)/' },
      to: { path: '^src/([^/]+)/', pathNot: ['^src/$1/', '/index\\.js$', '^src/core/[^/]+\\.js$', '^src/tasks/(api|reviews-api)\\.js$'] },
    },
    {
      name: 'backends-do-not-know-each-other',
      severity: 'error',
      from: { path: '^src/backends/([^/]+)/' },
      to: { path: '^src/backends/', pathNot: ['^src/backends/$1/', '^src/backends/oci/'] },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
      conditionNames: ['import', 'types', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
