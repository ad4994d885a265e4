/**
 * The one-way arrows of docs/architecture.md, as rules. A room may import only from the rooms below it; a circle anywhere fails.
 */
const ground = ['queue', 'redis', 'database', 'http', 'config', 'oauth', 'contracts', 'kernel'];
const facts = ['events', 'audit'];
/** room -> rooms it may import from, besides itself. */
const arrows = {
  kernel: [],
  config: ['kernel'],
  contracts: ['kernel'],
  oauth: ['contracts', 'kernel'],
  telemetry: ['kernel'],
  http: ['contracts', 'kernel'],
  database: ['config', 'contracts', 'kernel'],
  redis: ['config', 'contracts', 'kernel'],
  queue: ['redis', 'database', 'config', 'contracts', 'kernel'],
  events: ground,
  audit: ground,
  runtime: ground,
  identity: [...facts, ...ground],
  credentials: ['identity', ...facts, ...ground],
  workspaces: ['credentials', 'runtime', 'identity', ...facts, ...ground],
  chats: ['workspaces', 'identity', ...facts, ...ground],
  triggers: ['chats', 'workspaces', 'identity', ...facts, ...ground],
  usage: ['workspaces', 'identity', ...facts, ...ground],
  'runner-gateway': ['usage', 'chats', 'workspaces', 'credentials', 'identity', ...facts, ...ground],
  integrations: ['triggers', 'credentials', 'identity', ...facts, ...ground],
  proxy: ['telemetry', 'config', 'oauth', 'contracts', 'kernel'],
  runner: ['telemetry', 'config', 'contracts', 'kernel'],
  cli: ['config', 'contracts', 'kernel'],
};

const forbidden = [
  { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  {
    name: 'prisma-only-in-stores',
    comment: 'The only Prisma users are *.store.ts and the database room.',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/database/', '\\.store\\.ts$', '\\.test\\.ts$'] },
    to: { path: ['^src/database/generated', '@prisma/'] },
  },
  {
    name: 'pure-nouns',
    comment: 'runner and proxy are processes of their own, small ones: no Nest, no Prisma, no queue.',
    severity: 'error',
    from: { path: '^src/(runner|proxy|oauth|kernel|contracts)/', pathNot: '\\.test\\.ts$' },
    to: { path: 'node_modules/(@nestjs|@prisma|bullmq|pg)/' },
  },
  {
    name: 'runner-has-no-zod',
    comment: 'The compiled runner has no node_modules: of the wire it takes the types alone.',
    severity: 'error',
    from: { path: '^src/runner/', pathNot: ['^src/runner/(support|testing)/', '\\.test\\.ts$'] },
    to: {
      path: ['^src/contracts/', 'node_modules/zod/'],
      pathNot: '^src/contracts/heartbeat\\.ts$',
      dependencyTypesNot: ['type-only'],
    },
  },
  {
    name: 'bedrock-is-loaded-late',
    comment: 'It brings 14 MB of libraries, which a proxy shall not pay for whose agents never use it.',
    severity: 'error',
    from: { path: '^src/', pathNot: ['^src/proxy/upstreams/bedrock/', '\\.test\\.ts$'] },
    to: {
      path: [
        '^src/proxy/upstreams/bedrock/(wire|as-it-is|answer|event-stream|signature)',
        'node_modules/@smithy/',
      ],
      dynamic: false,
    },
  },
  {
    name: 'src-knows-no-test',
    severity: 'error',
    from: { path: '^src/', pathNot: '\\.test\\.ts$' },
    to: { path: '^test/' },
  },
  {
    name: 'known-rooms',
    comment: 'Each folder under src is a room of docs/architecture.md.',
    severity: 'error',
    from: { path: '^src/[^/]+/', pathNot: `^src/(app|${Object.keys(arrows).join('|')})/` },
    to: {},
  },
  ...Object.entries(arrows).map(([room, allowed]) => ({
    name: `arrows-of-${room}`,
    severity: 'error',
    from: { path: `^src/${room}/`, pathNot: '\\.test\\.ts$' },
    to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
  })),
];

export default {
  forbidden,
  options: {
    doNotFollow: { path: ['node_modules', '^src/database/generated'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
};
