import { z } from 'zod';
import { credentialSchema } from './credential-schema.ts';
import { environmentName, plannedFile, relativePath, text } from './roster-fields.ts';

/** One agent: how to install, run and authenticate it. Strict, because a typo must not drop a flag that matters. */

const programName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, 'expected the name of a program, without a path');
const packageName = z.string().regex(/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/, 'expected the name of an npm package');
const argv = z.array(text).max(64);
const command = z.array(text).min(1, 'expected at least the name of a program').max(64);
const npmInstall = z.strictObject({
  package: packageName.describe('Package in the npm registry'),
  version: z
    .string()
    .regex(/^[A-Za-z0-9.^~*+-]{1,64}$/, 'expected a version, range or tag such as `1.2.3` or `latest`')
    .default('latest')
    .describe('Version, range or tag'),
});

const install = z.strictObject({
  npm: npmInstall.describe('Where the program comes from'),
  program: z
    .strictObject({ x64: relativePath.describe('Path for x86-64'), arm64: relativePath.describe('Path for 64-bit ARM') })
    .optional()
    .describe('Native program below `node_modules`; the package’s own `bin` where absent'),
  drop: z.array(packageName).max(16).default([]).describe('Packages that npm installs but the image does not need'),
  postInstall: z
    .array(command)
    .max(16)
    .default([])
    .describe('Commands that run as root in the image build, without any network, in the directory above `node_modules`'),
});

const route = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,60}$/, 'expected lower-case letters, digits and hyphens')
    .describe('Shown in refusals and in the audit log'),
  hosts: z.array(z.string().min(1)).min(1).describe('Exact names, or `*.suffix`'),
  ports: z.array(z.int().min(1).max(65_535)).min(1).default([443]).describe('TCP ports'),
  mode: z.enum(['passthrough', 'inspect']).describe('How the gateway treats connections'),
  methods: z
    .array(z.string().regex(/^[A-Z]{1,20}$/))
    .min(1)
    .optional()
    .describe('HTTP methods, all by default'),
  paths: z.array(z.string().startsWith('/')).min(1).optional().describe('Prefixes of the path, all by default'),
});

export const agentSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected lower-case letters, digits and hyphens, starting with a letter')
    .describe('Name on the command line'),
  label: z.string().min(1).max(80).describe('Name for people'),
  binary: programName.describe('Program that is started'),
  install: install.describe('How the image gets the program'),
  headless: z
    .strictObject({
      argv: argv.describe('Arguments; `{prompt}` is the instruction, `{autoApprove}`, `{model}`, `{output}` and `{extra}` stand for lists'),
      output: z
        .strictObject({ text: argv.default([]), json: argv.default([]) })
        .prefault({})
        .describe('Arguments that select the form of the output'),
    })
    .describe('Without a person'),
  interactive: z
    .strictObject({ argv: argv.describe('Arguments, as in `headless`; an absent prompt drops out') })
    .describe('With a person at a terminal'),
  autoApprove: z
    .strictObject({ flags: argv.default([]), env: z.record(environmentName, text).default({}) })
    .prefault({})
    .describe('What makes the agent act without asking; the bottle is its limit'),
  model: z
    .strictObject({ flags: argv.describe('Arguments that name the model, `{value}`') })
    .optional()
    .describe('How a model is chosen'),
  resume: z.strictObject({ flags: argv.optional(), argv: argv.optional() }).optional().describe('How the last conversation is continued'),
  credentialUse: z.enum(['all', 'one']).default('all').describe('Whether every credential is needed or one of them'),
  credentials: z.array(credentialSchema).max(8).default([]).describe('Secrets that the gateway adds outside the bottle'),
  routes: z.array(route).max(32).default([]).describe('Other hosts that the agent needs'),
  env: z.record(environmentName, text).default({}).describe('Environment'),
  dirs: z.array(relativePath).max(32).default([]).describe('Directories below the home directory'),
  files: z.array(plannedFile).max(32).default([]).describe('Files below the home directory'),
  instructions: z
    .strictObject({ path: relativePath.describe('File below the home directory that the agent reads as its instructions') })
    .optional()
    .describe('How the agent is told about the bottle'),
  verify: z.array(command).max(8).default([]).describe('Commands that must succeed in the finished image'),
  hidden: z.array(environmentName).max(64).default([]).describe('Variables of the host that never enter the bottle'),
});

/** A roster entry with all defaults filled in. */
export type Agent = z.output<typeof agentSchema>;
