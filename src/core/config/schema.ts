import { z } from 'zod';
import { MAX_PUBLISHED_PORTS, parsePublishedPort } from '../published-port.ts';
import { type ComparedRoute, routeConflict } from '../resolve/route-conflicts.ts';
import { configuredRouteSchema, wishedRouteSchema } from '../resolve/route-schema.ts';
import { SECRET_NAME } from '../secret-name.ts';
import { egressSetName, egressSetsSchema } from './egress-sets-schema.ts';
import { upstreamProxySchema } from './upstream-proxy-schema.ts';

/** Points at the second of two routes; the message names both. */
function assertNoConflict(routes: readonly ComparedRoute[], context: z.RefinementCtx): void {
  const conflict = routeConflict(routes);
  if (conflict !== undefined) context.addIssue({ code: 'custom', path: [conflict.index, 'name'], message: conflict.message });
}

/** What a person may write in terok's configuration files. Strict: an unknown key is an error, because a typo must not weaken a bottle. */

const environmentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable, such as `NODE_ENV`');
const simpleName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected lower-case letters, digits and hyphens, starting with a letter');
const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'expected a network such as `192.168.1.0/24`' });
const absolutePath = z.string().startsWith('/', 'expected an absolute path');

const port = z.int().min(1).max(65_535);
const portRule = 'expected a port from 1 to 65535, or `HOSTPORT:PORT` such as `8080:3000`';
const publishedPort = z.union([port, z.string().refine((text) => parsePublishedPort(text) !== undefined, portRule)], { error: portRule });

export const limitNames = z.enum(['memory', 'cpus', 'pids', 'files', 'disk']);

export const limitsSchema = z
  .strictObject({
    memoryMiB: z.int().min(64).max(1_048_576).describe('Memory, `MiB`'),
    cpus: z.number().min(0.1).max(1024).describe('Processors, fractions allowed'),
    pids: z.int().min(16).max(1_000_000).describe('Processes and threads'),
    files: z.int().min(64).max(1_048_576).describe('Open file descriptors of one process'),
    diskMiB: z
      .int()
      .min(64)
      .max(1_073_741_824)
      .describe('Space of the files that a bottle adds to its image, `MiB`; no limit where absent'),
  })
  .partial();

const baseImageSchema = z
  .strictObject({
    debian: z
      .string()
      .regex(/^[a-z]{3,20}$/, 'expected the name of a Debian release, such as `bookworm`')
      .optional()
      .describe('Debian release to make the base image from'),
    registry: z.string().min(1).max(512).optional().describe('Image reference to pull'),
    archive: absolutePath.optional().describe('OCI or Docker archive on this machine'),
    rootfs: absolutePath.optional().describe('Tar archive of a root filesystem on this machine'),
  })
  .refine((base) => Object.values(base).filter((value) => value !== undefined).length === 1, {
    error: 'expected exactly one of `debian`, `registry`, `archive`, `rootfs`',
  });

const modelSchema = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as `https://models.example.com/v1`' })
    .optional()
    .describe('Model server that this agent talks to in place of its own'),
  privateNetworks: z.array(cidr).optional().describe('Private networks that the name of the endpoint may resolve into'),
  model: z.string().min(1).max(200).optional().describe('Model of this agent'),
  secret: z
    .string()
    .regex(SECRET_NAME, 'expected the name of a secret, such as `anthropic`')
    .optional()
    .describe('Which of its secrets the agent uses, where more than one is stored'),
});

const ruleAction = z.enum(['refuse', 'hold', 'allow']);

const gitSchema = z.strictObject({
  class: z
    .enum(['gatekeeping', 'online'])
    .optional()
    .describe('`gatekeeping`: a person pushes on. `online`: a push that meets every rule goes to the upstream at once'),
  forward: z
    .array(z.string().regex(/^[\w*][\w.*/-]{0,200}$/, 'expected the glob of a branch, such as `terok/**`'))
    .max(50)
    .optional()
    .describe('With `online`: branches that go to the upstream by themselves, `terok/**` by default'),
  taskKeys: z.boolean().optional().describe('Gives each task a deploy key of its own at the forge, which ends with the task'),
  rules: z
    .strictObject({
      secretPatterns: ruleAction.describe('Text that looks like a credential'),
      largeFiles: ruleAction.describe('Files above `maxFileMiB`'),
      programs: ruleAction.describe('Native programs and libraries'),
      submodules: ruleAction.describe('A new or changed `.gitmodules`, or a commit of another repository in a tree'),
      embeddedRepositories: ruleAction.describe('A directory that git would take for a repository'),
      names: ruleAction.describe('Names with control, bidirectional or invisible characters, that are no UTF-8, or that collide'),
      links: ruleAction.describe('Symbolic links that leave the tree or lead into `.git`'),
      maxFileMiB: z.number().min(0.01).max(2048).describe('Largest file that is taken, `MiB`'),
      allowedPaths: z
        .array(z.string().min(1).max(500))
        .max(200)
        .describe('Globs of paths for which `secretPatterns`, `programs` and `largeFiles` are not asked'),
    })
    .partial()
    .optional()
    .describe('What a push into the gate is held against: `refuse`, `hold` for a person, or `allow`'),
});

/** `<config>/config.yml`, and `<config>/projects/<id>.yml` with the same fields. */
export const settingsSchema = z.strictObject({
  backend: simpleName.optional().describe('Backend that makes the bottles'),
  agent: simpleName.optional().describe('Agent that `terok run` starts'),
  model: z.string().min(1).max(200).optional().describe('Model that the agent is told to use'),
  image: z
    .strictObject({ base: baseImageSchema.optional().describe('Where the base image comes from') })
    .optional()
    .describe('Image of the bottles'),
  limits: limitsSchema.optional().describe('Resources of one bottle'),
  unenforcedLimits: z.array(limitNames).optional().describe('Limits that may be missing where this host cannot enforce them'),
  sudo: z.boolean().optional().describe('Lets the agent become root inside the bottle, which weakens it'),
  ports: z
    .array(publishedPort)
    .max(MAX_PUBLISHED_PORTS)
    .optional()
    .describe('TCP ports of the bottle that this machine can reach, as `PORT` or `HOSTPORT:PORT`'),
  env: z
    .record(environmentName, z.string().max(131_072))
    .optional()
    .describe('Environment of every command in the bottle; `${NAME}` takes the value from this machine. Secrets do not belong here'),
  egress: z
    .strictObject({
      routes: z.array(configuredRouteSchema).max(200).superRefine(assertNoConflict).default([]).describe('Hosts that a bottle may reach'),
      sets: egressSetsSchema.default([]).describe('Curated sets of routes, such as `npm`; `terok egress sets` shows what each means here'),
      canary: z.boolean().optional().describe('Whether each bottle has a token that pauses it when it leaves; true where absent'),
      upstreamProxy: upstreamProxySchema.optional().describe('Proxy through which this machine reaches the internet'),
      upstreamCa: z
        .string()
        .startsWith('/')
        .optional()
        .describe('File with further CAs (PEM) that servers may have, beside those of this machine'),
    })
    .optional()
    .describe('What a bottle may reach beside its model'),
  models: z.record(simpleName, modelSchema).optional().describe('Agent → its model server and model'),
  git: gitSchema.optional().describe('The git gate: what a push must meet, and where it goes'),
  gitIdentity: z
    .strictObject({
      name: z.string().min(1).max(200).describe('Name in commits'),
      email: z.string().min(3).max(320).describe('Address in commits'),
    })
    .optional()
    .describe('Author of the commits made in a bottle'),
});

export type Settings = z.output<typeof settingsSchema>;

/** `.terok.yml` in a repository: wishes of its authors, who may be strangers. Nothing in it takes effect by itself. */
export const repositoryRequestsSchema = z.strictObject({
  agent: simpleName.optional().describe('Agent that the authors suggest'),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]{1,100}$/, 'expected the name of a Debian package'))
    .max(200)
    .optional()
    .describe('Debian packages that the work needs'),
  env: z.array(environmentName).max(200).optional().describe('Names of environment variables that the work needs'),
  routes: z.array(wishedRouteSchema).max(64).optional().describe('Hosts that the work needs to reach'),
  sets: z.array(egressSetName).max(64).optional().describe('Sets of routes that the work needs'),
  limits: limitsSchema.optional().describe('Resources that the work needs'),
  ports: z.array(port).max(MAX_PUBLISHED_PORTS).optional().describe('TCP ports on which the work serves something'),
});

export type RepositoryRequests = z.output<typeof repositoryRequestsSchema>;
