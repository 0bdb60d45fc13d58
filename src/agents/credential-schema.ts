import { z } from 'zod';
import { SECRET_NAME } from '../core/index.ts';
import { credentialPlaceFields, oneCredentialPlace } from '../core/resolve/index.ts';
import { environmentName, plannedFile, text } from './roster-fields.ts';

/** One way for an agent to be let in: an API key, or a login that the gateway renews. */

const httpsUrl = (example: string) => z.url({ protocol: /^https$/, error: `expected an address such as \`${example}\`` });
const phantomPrefix = z.string().regex(/^[A-Za-z0-9_-]{0,40}$/);
/** Names of members from the outside in */
const member = z.array(z.string().min(1).max(100)).min(1).max(5);

const login = z.strictObject({
  tokenEndpoint: httpsUrl('https://auth.example.com/oauth/token').describe(
    'OAuth token endpoint; the gateway answers the bottle in its place, with worthless tokens',
  ),
  clientId: z.string().min(1).max(512).describe('Identifier of the agent at the token endpoint'),
  format: z.enum(['form', 'json']).default('form').describe('How the token endpoint wants its request'),
  refreshPhantomPrefix: phantomPrefix.default('').describe('How a real refresh token begins'),
  file: z
    .strictObject({
      refreshToken: member.describe('Where the refresh token is'),
      account: member.optional().describe('Where the identifier of the account is'),
    })
    .describe('Members of the file in which the agent itself keeps its login, for `terok secret set NAME --oauth`'),
});

const fields = {
  secret: z.string().regex(SECRET_NAME, 'expected the name of a secret, such as `anthropic`').describe('Name of the secret in the vault'),
  provider: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/)
    .optional()
    .describe('Part of the model name before `/` that selects this credential'),
  env: environmentName.optional().describe('Variable that carries the phantom in the bottle'),
  phantomPrefix: phantomPrefix.default('').describe('How a real key begins, so that the agent takes the phantom for one'),
  ...credentialPlaceFields,
  endpoint: httpsUrl('https://api.example.com').describe('Where the agent sends its requests, without `/v1`'),
  endpointEnv: environmentName.optional().describe('Variable that tells the agent another endpoint'),
  paths: z
    .array(z.string().startsWith('/'))
    .min(1)
    .default(['/v1'])
    .describe('Prefixes of the path below the endpoint that the bottle may use'),
  defaultModel: z.string().min(1).max(200).optional().describe('Model where none is asked for'),
  smallModel: z.string().min(1).max(200).optional().describe('Model for titles and summaries'),
  login: login.optional().describe('Says that the secret is an OAuth login, which its agent would renew by itself'),
  values: z
    .record(z.string().regex(/^[a-zA-Z]{1,40}$/), text)
    .default({})
    .describe('Placeholders of the files of the agent that this credential fills'),
  files: z
    .array(plannedFile)
    .max(8)
    .default([])
    .describe('Files for this credential alone; `{phantom}` and `{refreshPhantom}` are its tokens'),
};

export const credentialSchema = z
  .strictObject(fields)
  .superRefine(oneCredentialPlace)
  .refine(({ env, files }) => env !== undefined || files.length > 0, {
    path: ['env'],
    message: 'expected a variable, or `files`, that carry the token of the bottle',
  });

export type AgentCredential = z.output<typeof credentialSchema>;
